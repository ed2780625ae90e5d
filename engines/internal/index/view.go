package index

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"orbitbench/engines"
	"orbitbench/engines/internal/arena"
)

// A view costs nothing until something changes: the first change to a record
// after a view was opened copies the record as it was. Deleted records stay in
// the index as ghosts, so that scans of a view still meet their keys. All of
// this goes when the last view is closed.

// stripeHistory is what open views see instead of the current records of a
// stripe. Guarded by the stripe's lock.
type stripeHistory struct {
	old    map[uint32][]oldState // by local id, rising seq
	ghosts []ghost
}

// oldState is a record as the views up to seq see it, unless an earlier state is theirs.
type oldState struct {
	seq uint64
	ref arena.Ref // a copy; 0 if the record did not exist
	err error     // there was no memory for the copy
}

type ghost struct {
	tag uint32
	id  uint32
}

// preserve keeps a record for the newest view before its first change.
// Without memory the views lose this record, and say so; the change goes on.
func (ix *Index) preserve(s *stripe, r record) {
	local := localOf(r.id())
	states := s.history.old[local]
	if n := len(states); n > 0 && states[n-1].seq >= s.viewSeq {
		return
	}
	st := oldState{seq: s.viewSeq}
	if v := r.version(); v != 0 {
		st.ref, _, st.err = newRecord(ix.arena, r.id(), v, r.keyspace(), r.key(), r.value())
	}
	if s.history.old == nil {
		s.history.old = make(map[uint32][]oldState)
	}
	s.history.old[local] = append(states, st)
}

// View is an engines.View.
type View struct {
	ix   *Index
	seq  uint64
	shut bool // guarded by ix.viewMu
}

// View opens a view for engines.Viewer. The point in time is one at which all stripes are
// locked, which takes some microseconds.
func (ix *Index) View(ctx context.Context) (*View, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	ix.viewMu.Lock()
	defer ix.viewMu.Unlock()
	for i := range ix.stripes {
		ix.stripes[i].mu.Lock()
		defer ix.stripes[i].mu.Unlock()
	}
	if ix.stripes[0].gate&gateShut != 0 {
		return nil, engines.ErrClosed
	}
	// Some operations of a batch that has become durable may be visible
	// already and others not: show them all.
	durable := ix.log.Durable()
	ix.viewSeq++
	ix.views++
	for i := range ix.stripes {
		s := &ix.stripes[i]
		for slot := range s.pending {
			if lsn := s.pending[slot].lsn; lsn != 0 && lsn <= durable {
				ix.publishPending(s, uint32(slot))
			}
		}
	}
	for i := range ix.stripes {
		ix.stripes[i].viewSeq = ix.viewSeq
	}
	return &View{ix: ix, seq: ix.viewSeq}, nil
}

// Get is engines.View.
func (v *View) Get(ctx context.Context, ks engines.Keyspace, key, dst []byte) ([]byte, engines.Version, error) {
	if err := engines.ValidateKey(ks, key); err != nil {
		return dst, 0, err
	}
	if err := ctx.Err(); err != nil {
		return dst, 0, err
	}
	ix := v.ix
	h := ix.hash(ks, key)
	s := ix.stripe(h)
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := ix.enter(s); err != nil {
		return dst, 0, err
	}
	ref, _, rec := ix.find(s, h, ks, key)
	if ref == 0 {
		return dst, 0, engines.ErrNotFound
	}
	rec, err := ix.asOf(s, rec, v.seq)
	if err != nil {
		return dst, 0, err
	}
	return append(dst, rec.value()...), rec.version(), nil
}

// asOf returns the record as a view sees it.
func (ix *Index) asOf(s *stripe, rec record, seq uint64) (record, error) {
	for _, st := range s.history.old[localOf(rec.id())] {
		switch {
		case st.seq < seq:
			continue
		case st.err != nil:
			return nil, fmt.Errorf("%w: no memory was left to keep a record for this view: %v", engines.ErrFull, st.err)
		case st.ref == 0:
			return nil, engines.ErrNotFound
		}
		return ix.rec(st.ref), nil
	}
	if rec.version() == 0 {
		return nil, engines.ErrNotFound
	}
	return rec, nil
}

// Scan is engines.View.
func (v *View) Scan(ctx context.Context, ks engines.Keyspace, from, to []byte, yield func(key, value []byte, v engines.Version) error) error {
	return v.ix.ScanBy(ctx, ks, from, to, v.Get, yield)
}

var errViewClosed = errors.New("view is closed")

// Close is engines.View. A second Close is an error.
func (v *View) Close() error {
	ix := v.ix
	ix.viewMu.Lock()
	defer ix.viewMu.Unlock()
	if v.shut {
		return errViewClosed
	}
	v.shut = true
	if ix.views--; ix.views > 0 {
		return nil
	}
	for i := range ix.stripes {
		s := &ix.stripes[i]
		s.mu.Lock()
		if s.gate&gateShut == 0 {
			ix.dropHistory(s)
		}
		s.mu.Unlock()
	}
	return nil
}

// dropHistory frees what only views could see.
func (ix *Index) dropHistory(s *stripe) {
	s.viewSeq = 0
	for _, states := range s.history.old {
		for _, st := range states {
			if st.ref != 0 {
				ix.arena.Free(st.ref, ix.rec(st.ref).size())
			}
		}
	}
	for _, g := range s.history.ghosts {
		ref := s.handles[localOf(g.id)]
		if ref == 0 {
			continue // listed twice
		}
		// One that was created again, or is about to be, is no ghost any more.
		if r := ix.rec(ref); r.version() == 0 && !r.held() {
			ix.orders[r.keyspace()].Remove(bytes.Clone(r.key()))
			ix.forget(s, g.tag, ref)
		}
	}
	s.history = stripeHistory{}
}
