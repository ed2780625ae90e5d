package mmapwal

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"

	"orbitbench/engines"
	"orbitbench/engines/internal/arena"
)

// A view costs nothing until something changes: the first change to a record
// after a view was opened copies the record as it was, outside the Go heap. All
// copies go when the last view is closed.

// history is what open views see instead of the current records of a stripe: by
// the hash of the key, rising seq for each key. Guarded by the stripe's lock.
type history map[uint64][]oldState

// oldState is a record as the views up to seq see it, unless an earlier state is theirs.
type oldState struct {
	seq uint64
	ref arena.Ref // a copy in the side arena; of a record that did not exist only the key
	err error     // there was no memory for the copy
}

// preserve keeps a record (nil: it does not exist) for the newest view before its
// first change. Without memory the views lose this record, and say so; the change goes on.
func (e *engine) preserve(s *stripe, key []byte, rec record) {
	h := e.hash(s.ks, key)
	states := s.history[h]
	for i := len(states) - 1; i >= 0; i-- {
		if states[i].seq < s.viewSeq {
			break
		}
		if states[i].err != nil || bytes.Equal(e.old(states[i]).key(), key) {
			return
		}
	}
	st := oldState{seq: s.viewSeq}
	size := recordBytes(len(key), 0)
	if rec != nil {
		size = len(rec)
	}
	if st.ref, st.err = e.side.Alloc(size); st.err == nil {
		if m := record(e.side.Bytes(st.ref, size)); rec != nil {
			copy(m, rec)
		} else {
			m.fill(0, stateFree, 0, key, nil)
		}
	}
	if s.history == nil {
		s.history = make(history)
	}
	s.history[h] = append(states, st)
}

// old returns the kept copy of a record.
func (e *engine) old(st oldState) record {
	m := record(e.side.From(st.ref))
	return m[:recHead+m.keyLen()+m.valueLen()]
}

// asOf returns the record of a key as a view sees it; known is false if that is the current one.
func (e *engine) asOf(s *stripe, h uint64, key []byte, seq uint64) (rec record, known bool, err error) {
	for _, st := range s.history[h] {
		switch {
		case st.seq < seq:
			continue
		case st.err != nil:
			return nil, true, fmt.Errorf("%w: no memory was left to keep a record for this view: %v", engines.ErrFull, st.err)
		}
		old := e.old(st)
		if !bytes.Equal(old.key(), key) {
			continue
		}
		if old.state() == stateFree {
			return nil, true, engines.ErrNotFound
		}
		return old, true, nil
	}
	return nil, false, nil
}

// view is engines.View.
type view struct {
	e    *engine
	seq  uint64
	shut bool // guarded by e.viewMu

	keys [engines.NumKeyspaces]*sortedKeys // of keyspaces that were scanned; guarded by e.viewMu
}

// View is engines.Viewer. The point in time is one at which all stripes are
// locked, which takes some microseconds.
func (e *engine) View(ctx context.Context) (v engines.View, err error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	e.viewMu.Lock()
	defer e.viewMu.Unlock()
	err = e.withAll(func() error {
		e.viewSeq++
		for i := range e.stripes {
			e.stripes[i].viewSeq = e.viewSeq
		}
		e.views++
		v = &view{e: e, seq: e.viewSeq}
		return nil
	})
	return v, err
}

// Get is engines.View.
func (v *view) Get(ctx context.Context, ks engines.Keyspace, key, dst []byte) (out []byte, version engines.Version, err error) {
	if err := engines.ValidateKey(ks, key); err != nil {
		return dst, 0, err
	}
	if err := ctx.Err(); err != nil {
		return dst, 0, err
	}
	out = dst
	e := v.e
	h := e.hash(ks, key)
	err = e.withStripe(e.stripe(ks, h), func(s *stripe) error {
		rec, known, err := e.asOf(s, h, key, v.seq)
		if err != nil {
			return err
		}
		if !known {
			var r ref
			if r, rec, err = e.find(s, uint32(h), key); err != nil {
				return err
			}
			if r == 0 || rec.state() != stateUsed {
				return engines.ErrNotFound
			}
		}
		out, version = append(out, rec.value()...), rec.version()
		return nil
	})
	return out, version, err
}

// sortedKeys are the keys of a keyspace in order.
type sortedKeys struct {
	bytes []byte
	ends  []uint32 // in the order in which they were met
	order []uint32
}

func (k *sortedKeys) add(key []byte) {
	k.bytes = append(k.bytes, key...)
	k.ends = append(k.ends, uint32(len(k.bytes)))
}

func (k *sortedKeys) key(i uint32) []byte {
	begin := uint32(0)
	if i > 0 {
		begin = k.ends[i-1]
	}
	return k.bytes[begin:k.ends[i]:k.ends[i]]
}

func (k *sortedKeys) sort() {
	k.order = make([]uint32, len(k.ends))
	for i := range k.order {
		k.order[i] = uint32(i)
	}
	slices.SortFunc(k.order, func(a, b uint32) int { return bytes.Compare(k.key(a), k.key(b)) })
}

// Scan is engines.View. The first scan of a keyspace collects and sorts its keys.
func (v *view) Scan(ctx context.Context, ks engines.Keyspace, from, to []byte, yield func(key, value []byte, v engines.Version) error) error {
	if !ks.Valid() {
		return engines.ValidateKey(ks, nil)
	}
	keys, err := v.sorted(ctx, ks)
	if err != nil {
		return err
	}
	at, _ := slices.BinarySearchFunc(keys.order, from, func(i uint32, key []byte) int { return bytes.Compare(keys.key(i), key) })
	var value []byte
	for _, i := range keys.order[at:] {
		key := keys.key(i)
		if to != nil && bytes.Compare(key, to) >= 0 {
			return nil
		}
		var version engines.Version
		if value, version, err = v.Get(ctx, ks, key, value[:0]); err != nil {
			return err
		}
		if err := yield(key, value, version); err != nil {
			return stopped(err)
		}
	}
	return nil
}

func (v *view) sorted(ctx context.Context, ks engines.Keyspace) (*sortedKeys, error) {
	v.e.viewMu.Lock()
	defer v.e.viewMu.Unlock()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if v.keys[ks] != nil {
		return v.keys[ks], v.e.open()
	}
	k := &sortedKeys{}
	all := v.e.stripesOf(ks)
	for i := range all {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if err := v.e.withStripe(&all[i], func(s *stripe) error { return v.collect(s, k) }); err != nil {
			return nil, err
		}
	}
	k.sort()
	v.keys[ks] = k
	return k, nil
}

// collect adds the keys of a stripe that the view sees.
func (v *view) collect(s *stripe, k *sortedKeys) error {
	e := v.e
	err := e.eachRecord(s, func(_ ref, rec record) error {
		_, known, err := e.asOf(s, e.hash(s.ks, rec.key()), rec.key(), v.seq)
		if !known {
			k.add(rec.key())
		} else if errors.Is(err, engines.ErrNotFound) {
			err = nil
		}
		return err
	})
	if err != nil {
		return err
	}
	for h, states := range s.history {
		for i, st := range states {
			if st.seq < v.seq {
				continue
			}
			if st.err != nil {
				return st.err
			}
			key := e.old(st).key()
			if slices.ContainsFunc(states[:i], func(x oldState) bool { return x.seq >= v.seq && bytes.Equal(e.old(x).key(), key) }) {
				continue // met already
			}
			if rec, known, err := e.asOf(s, h, key, v.seq); known && err == nil {
				k.add(rec.key())
			}
		}
	}
	return nil
}

var errViewClosed = errors.New("view is closed")

// Close is engines.View. A second Close is an error.
func (v *view) Close() error {
	e := v.e
	e.viewMu.Lock()
	defer e.viewMu.Unlock()
	if v.shut {
		return errViewClosed
	}
	v.shut = true
	v.keys = [engines.NumKeyspaces]*sortedKeys{}
	if e.views--; e.views > 0 {
		return nil
	}
	for i := range e.stripes {
		s := &e.stripes[i]
		s.mu.Lock()
		if !s.closed {
			e.dropHistory(s)
		}
		s.mu.Unlock()
	}
	return nil
}

// dropHistory frees what only views could see.
func (e *engine) dropHistory(s *stripe) {
	s.viewSeq = 0
	for _, states := range s.history {
		for _, st := range states {
			if st.err == nil {
				e.side.Free(st.ref, len(e.old(st)))
			}
		}
	}
	s.history = nil
}
