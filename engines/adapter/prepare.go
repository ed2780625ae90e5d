package adapter

import (
	"bytes"
	"errors"
	"fmt"

	"orbitbench/engines"
	"orbitbench/engines/lease"
)

// Reader reads stored records.
type Reader interface {
	// Read appends the record under key (version and value) to dst, or
	// returns ErrNotFound and dst as it was. Damage is a *CorruptError.
	Read(ks engines.Keyspace, key, dst []byte) ([]byte, error)
}

// Writer collects what a batch writes. Nothing is applied before the engine
// commits it.
type Writer interface {
	// Put stores value at version v. key and value are valid during the call.
	Put(ks engines.Keyspace, key []byte, v engines.Version, value []byte) error
	// Delete removes the record if it exists.
	Delete(ks engines.Keyspace, key []byte) error
}

// Scratch is the reusable memory of one call. The zero value is ready.
type Scratch struct {
	Held   []uint32 // for Latches.LockBatch
	Key    []byte   // for engines that prefix keys
	Record []byte   // for engines that read records into memory of their own
	states []opState
	arena  []byte
}

// opState is what Prepare knows of one operation.
type opState struct {
	read     bool // current and the record are known
	current  engines.Version
	assigned engines.Version
	begin    int // of the value within arena (OpRenew)
	end      int
}

// scanOps is the number of operations up to which looking for a condition's
// key among them is cheaper than reading the record again. In a longer batch
// only the operation at the condition's own place is tried: a batch of many
// renewals, each with its condition, has them side by side.
const scanOps = 16

// Prepare judges the conditions of b against r and hands its operations to w,
// with versions from vs. b must be valid and its keys latched. Errors are those
// of Apply; w may then hold part of the batch and must be thrown away.
func (s *Scratch) Prepare(b *engines.Batch, r Reader, w Writer, vs *Versions) error {
	s.states, s.arena = s.states[:0], s.arena[:0]
	for range b.Ops {
		s.states = append(s.states, opState{})
	}
	for i := range b.Conditions {
		if err := s.judge(b, i, r); err != nil {
			return err
		}
	}
	for i := range b.Ops {
		if err := s.write(&b.Ops[i], &s.states[i], r, w, vs); err != nil {
			return err
		}
	}
	return nil
}

// Assign sets the versions of a batch that has committed.
func (s *Scratch) Assign(b *engines.Batch) {
	for i := range b.Ops {
		b.Ops[i].Assigned = s.states[i].assigned
	}
}

func (s *Scratch) judge(b *engines.Batch, cond int, r Reader) error {
	c := &b.Conditions[cond]
	st := &opState{}
	op := find(b, cond)
	if op >= 0 {
		st = &s.states[op]
	}
	if !st.read {
		if err := s.load(c.Keyspace, c.Key, st, r); err != nil {
			return err
		}
	}
	if st.current != c.Version {
		return &engines.ConflictError{Keyspace: c.Keyspace, Want: c.Version, Have: st.current}
	}
	return nil
}

// find returns the operation on the key of a condition, or -1 if there is none
// or looking for it would cost more than it saves.
func find(b *engines.Batch, cond int) int {
	c := &b.Conditions[cond]
	same := func(op *engines.Op) bool { return op.Keyspace == c.Keyspace && bytes.Equal(op.Key, c.Key) }
	if cond < len(b.Ops) && same(&b.Ops[cond]) {
		return cond
	}
	if len(b.Ops) > scanOps {
		return -1
	}
	for i := range b.Ops {
		if same(&b.Ops[i]) {
			return i
		}
	}
	return -1
}

// load reads a record and keeps its value in the arena.
func (s *Scratch) load(ks engines.Keyspace, key []byte, st *opState, r Reader) error {
	start := len(s.arena)
	arena, err := r.Read(ks, key, s.arena)
	if errors.Is(err, engines.ErrNotFound) {
		st.read = true
		return nil
	}
	if err != nil {
		return err
	}
	v, _, err := DecodeRecord(arena[start:])
	if err != nil {
		return err
	}
	s.arena = arena
	st.read, st.current, st.begin, st.end = true, v, start+VersionBytes, len(arena)
	return nil
}

func (s *Scratch) write(op *engines.Op, st *opState, r Reader, w Writer, vs *Versions) error {
	if op.Kind == engines.OpDelete {
		return w.Delete(op.Keyspace, op.Key)
	}
	if !st.read {
		if err := s.load(op.Keyspace, op.Key, st, r); err != nil {
			return err
		}
	}
	value := op.Value
	if op.Kind == engines.OpRenew {
		if st.current == 0 {
			return fmt.Errorf("renewing in %s: %w", op.Keyspace, engines.ErrNotFound)
		}
		value = s.arena[st.begin:st.end]
		if err := Renew(value, op.Renewal); err != nil {
			return err
		}
	}
	next, err := vs.Next(st.current)
	if err != nil {
		return err
	}
	st.assigned = next
	return w.Put(op.Keyspace, op.Key, next, value)
}

// Renewed judges the renewal of a record that was read, patches it in place and
// returns its value with its next version. Errors are those of RenewLease, and ErrRecord.
func (vs *Versions) Renewed(record []byte, held engines.Version, r lease.Renewal) (next engines.Version, value []byte, err error) {
	have, value, err := DecodeRecord(record)
	if err != nil {
		return 0, nil, err
	}
	if have != held {
		return 0, nil, &engines.ConflictError{Keyspace: engines.Leases, Want: held, Have: have}
	}
	if err := Renew(value, r); err != nil {
		return 0, nil, err
	}
	next, err = vs.Next(have)
	return next, value, err
}

// Renew patches the bytes of a lease in place. Its errors are lease.ErrExpired
// and, for a value that is no lease, ErrInvalid.
func Renew(value []byte, r lease.Renewal) error {
	err := r.Patch(value)
	if err == nil || errors.Is(err, lease.ErrExpired) {
		return err
	}
	return fmt.Errorf("%w: renewing a record that is no lease: %w", engines.ErrInvalid, err)
}
