package adapter

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"sync"
	"sync/atomic"

	"orbitbench/engines"
)

// DefaultStride is how many versions are reserved at a time. A reservation
// costs one durable write; an unclean stop skips at most this many versions of
// 2^64.
const DefaultStride = 1 << 20

// Versions assigns versions that rise for ever.
//
// A record that exists gets its version plus one; a record that is created gets
// a version above every one that the store ever assigned, so that the engine
// need not remember the versions of deleted keys. Before a version is handed
// out a ceiling at or above it has been made durable. After an unclean stop
// everything up to the ceiling counts as assigned: creations start above it,
// and so does the next version of a record that was there before the stop,
// because under a weak class its last acknowledged versions may be lost.
//
// Next may be called from several goroutines, but for one key only by the
// holder of its latch.
type Versions struct {
	max     atomic.Uint64 // highest version assigned
	ceiling atomic.Uint64 // highest version that may be assigned; durable
	floor   uint64        // records up to here may have had later versions before an unclean stop

	mu      sync.Mutex // held while a reservation is made durable
	stride  uint64
	persist func(VersionState) error
}

// VersionState is what an engine keeps on disk about its versions.
type VersionState struct {
	// Ceiling: no version above it was ever assigned.
	Ceiling engines.Version
	// Floor: a record at or below it may have had later versions, up to Floor,
	// that an unclean stop took. While an engine is open the state on disk has
	// Floor = Ceiling, which is what the next Open finds if it is not closed.
	Floor engines.Version
}

// NewVersions continues from the state found on disk (the zero value for a new
// store). persist makes a state durable before it returns; it is never called
// twice at a time. stride 0 means DefaultStride.
func NewVersions(found VersionState, stride uint64, persist func(VersionState) error) *Versions {
	if stride == 0 {
		stride = DefaultStride
	}
	v := &Versions{stride: stride, persist: persist, floor: uint64(found.Floor)}
	v.max.Store(uint64(found.Ceiling))
	return v // with ceiling 0: the first assignment marks the state on disk as in use
}

// Next returns the version that follows current for one key; current 0 means
// that the record does not exist. Its errors are those of persist.
func (v *Versions) Next(current engines.Version) (engines.Version, error) {
	next := uint64(current) + 1
	if current == 0 || uint64(current) <= v.floor {
		next = v.max.Add(1)
	} else {
		v.raise(next)
	}
	if next > v.ceiling.Load() {
		if err := v.reserve(next); err != nil {
			return 0, err
		}
	}
	return engines.Version(next), nil
}

func (v *Versions) raise(to uint64) {
	for {
		max := v.max.Load()
		if max >= to || v.max.CompareAndSwap(max, to) {
			return
		}
	}
}

func (v *Versions) reserve(want uint64) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	if want <= v.ceiling.Load() {
		return nil // another caller reserved it meanwhile
	}
	// want may be low, the next version of a record that was renewed little: the
	// ceiling must not fall below what other records were given before this Open.
	ceiling := max(want, v.max.Load()) + v.stride
	if err := v.persist(VersionState{Ceiling: engines.Version(ceiling), Floor: engines.Version(ceiling)}); err != nil {
		return fmt.Errorf("reserving versions: %w", err)
	}
	v.ceiling.Store(ceiling)
	return nil
}

// Ceiling returns the highest version that is reserved.
func (v *Versions) Ceiling() engines.Version { return engines.Version(v.ceiling.Load()) }

// Rollback takes back a reservation that persist wrote into a transaction that
// did not commit. Only an engine with one writer at a time can call it.
func (v *Versions) Rollback(ceiling engines.Version) { v.ceiling.Store(uint64(ceiling)) }

// CloseState returns what to persist when the engine closes and every
// assignment has ended. used is false if nothing was assigned since Open: the
// state on disk is then still right.
func (v *Versions) CloseState() (state VersionState, used bool) {
	return VersionState{Ceiling: engines.Version(v.max.Load()), Floor: engines.Version(v.floor)}, v.ceiling.Load() != 0
}

// Bytes of a version state (little endian):
//
//	 0                8                16            20
//	+----------------+----------------+-------------+
//	| ceiling, u64   | floor, u64     | crc32c, u32 |
//	+----------------+----------------+-------------+
//
// floor is at most ceiling; the checksum (Castagnoli) covers the 16 bytes
// before it.
const stateBytes = 20

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// AppendBinary appends the state to dst. Its error is always nil.
func (s VersionState) AppendBinary(dst []byte) ([]byte, error) {
	start := len(dst)
	dst = binary.LittleEndian.AppendUint64(dst, uint64(s.Ceiling))
	dst = binary.LittleEndian.AppendUint64(dst, uint64(s.Floor))
	return binary.LittleEndian.AppendUint32(dst, crc32.Checksum(dst[start:], castagnoli)), nil
}

// FoundState decodes the state that was read; a store without one is new.
func FoundState(raw []byte, err error) (s VersionState, _ error) {
	if errors.Is(err, engines.ErrNotFound) {
		return s, nil
	}
	if err == nil {
		err = s.UnmarshalBinary(raw)
	}
	return s, err
}

// UnmarshalBinary decodes a state. Its errors are ErrRecord.
func (s *VersionState) UnmarshalBinary(b []byte) error {
	if len(b) != stateBytes {
		return fmt.Errorf("%w: version state of %d bytes, want %d", ErrRecord, len(b), stateBytes)
	}
	sum := binary.LittleEndian.Uint32(b[16:])
	if have := crc32.Checksum(b[:16], castagnoli); have != sum {
		return fmt.Errorf("%w: version state has checksum %08x, stored %08x", ErrRecord, have, sum)
	}
	state := VersionState{
		Ceiling: engines.Version(binary.LittleEndian.Uint64(b)),
		Floor:   engines.Version(binary.LittleEndian.Uint64(b[8:])),
	}
	if state.Floor > state.Ceiling {
		return fmt.Errorf("%w: version state with floor %d above ceiling %d", ErrRecord, state.Floor, state.Ceiling)
	}
	*s = state
	return nil
}
