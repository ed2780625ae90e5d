package index

import (
	"errors"
	"fmt"
	"runtime/debug"

	"orbitbench/engines"
	"orbitbench/engines/internal/arena"
	"orbitbench/engines/lease"
)

// ahead is how many operations of the log are read, and their records touched, before the first
// of them is applied, so that their cache misses overlap.
const ahead = 16

// applyDeals applies deals to a stripe whose lock is held, in order. Blocks come from run while it has any,
// nil: from the arena. Errors: *ReplayError, engines.ErrFull, a *CorruptError for what cannot be read again.
func (ix *Index) applyDeals(s *stripe, run *arena.Run, deals ...*deal) (err error) {
	defer ix.guard(debug.SetPanicOnFault(true), &err)
	var window [ahead]Op
	for _, t := range deals {
		for begin := 0; begin < len(t.places); begin += ahead {
			places := t.places[begin:min(begin+ahead, len(t.places))]
			for _, p := range places {
				s.touched += ix.replayed.touch(t, p)
			}
			for i, p := range places {
				if window[i], err = ix.opAt(t, p); err != nil {
					return &ReplayError{t.lsn(begin + i), err}
				}
			}
			ix.prefetch(s, window[:len(places)])
			for i := range places {
				lsn := t.lsn(begin + i)
				err := ix.applyLogged(s, &window[i], run, lsn <= ix.replayed.knownUpTo)
				if errors.Is(err, engines.ErrFull) {
					return err
				}
				if err != nil {
					return &ReplayError{lsn, err}
				}
			}
		}
	}
	return nil
}

// touch reads the cache lines of an operation of the log, as far as it is no longer than most.
func (r *replayed) touch(t *deal, p place) byte {
	b := r.text.From(t.segment, p.at)
	x := b[0]
	if p.rel&isDelta == 0 && len(b) > 3*64 {
		x += b[64] + b[2*64] + b[3*64]
	}
	return x
}

// guard makes a fault in the text of the log, which is what the kernel makes of a page that cannot be
// read, an error. Use:
//
//	defer ix.guard(debug.SetPanicOnFault(true), &err)
func (ix *Index) guard(old bool, err *error) {
	debug.SetPanicOnFault(old)
	if x := recover(); x != nil {
		*err = ix.replayed.text.Fault(x)
	}
}

// prefetch reads the first bytes of the records that operations are about.
func (ix *Index) prefetch(s *stripe, window []Op) {
	var refs [ahead]arena.Ref
	for i := range window {
		if local := localOf(window[i].ID); local < uint32(len(s.handles)) {
			refs[i] = s.handles[local]
		}
	}
	for _, ref := range refs[:len(window)] {
		if ref != 0 {
			r := ix.rec(ref)
			s.touched += r[recSizes] + r[min(64, len(r)-1)]
		}
	}
}

// applyPut makes the record what the log says, unless it is newer
// already. Errors: a reason for which the store is corrupt, or ErrFull.
func (ix *Index) applyPut(s *stripe, o *Op, tag uint32, run *arena.Run) error {
	local := localOf(o.ID)
	for uint32(len(s.handles)) <= local {
		s.handles = append(s.handles, 0)
	}
	s.highest = max(s.highest, uint64(o.Version))
	// The same key under another id: a snapshot taken while the key was deleted
	// and made again can hold both. The higher version is the later one.
	if ref, _, r := ix.find(s, uint64(tag), o.Keyspace, o.Key); ref != 0 {
		if r.version() >= o.Version {
			return nil
		}
		if r.id() == o.ID {
			return ix.replaceValue(s, tag, ref, r, o, run)
		}
		ix.unindex(s, tag, ref)
	}
	if ref := s.handles[local]; ref != 0 {
		r := ix.rec(ref)
		if r.version() >= o.Version {
			return nil
		}
		ix.unindex(s, uint32(ix.hash(r.keyspace(), r.key())), ref)
	}
	ref, err := ix.recordOf(o, run)
	if err != nil {
		return err
	}
	s.handles[local] = ref
	ix.admit(s, o)
	return fullError(s.table.Insert(tag, ref))
}

// recordOf writes the record of an OpPut into a block of the run, or of the arena.
func (ix *Index) recordOf(o *Op, run *arena.Run) (arena.Ref, error) {
	if run != nil {
		if ref := run.Cut(recHead + len(o.Key) + len(o.Value)); ref != 0 {
			ix.rec(ref).put(o.ID, o.Version, o.Keyspace, o.Key, o.Value)
			return ref, nil
		}
	}
	ref, _, err := newRecord(ix.arena, o.ID, o.Version, o.Keyspace, o.Key, o.Value)
	return ref, fullError(err)
}

// admit counts a record that is being put into the index.
func (ix *Index) admit(s *stripe, o *Op) {
	if ix.counted(o.Keyspace, o.Key) {
		s.live++
	}
	switch {
	case o.Keyspace == engines.TimeSeries:
		ix.points.Add(1)
	case o.Keyspace == engines.QueryCache && ix.cache != nil:
		ix.cache.put(o.ID, len(o.Key)+len(o.Value))
	}
}

func (ix *Index) replaceValue(s *stripe, tag uint32, ref arena.Ref, r record, o *Op, run *arena.Run) error {
	if ix.cache != nil && o.Keyspace == engines.QueryCache {
		ix.cache.put(o.ID, len(o.Value)-r.valueLen())
	}
	if arena.SameClass(r.size(), recHead+len(o.Key)+len(o.Value)) {
		ix.overwrite(r, o.Value)
		r.setVersion(o.Version)
		return nil
	}
	n, err := ix.recordOf(o, run)
	if err != nil {
		return err
	}
	s.table.Set(s.place(tag, ref), n)
	s.handles[localOf(o.ID)] = n
	ix.arena.Free(ref, r.size())
	return nil
}

func (ix *Index) unindex(s *stripe, tag uint32, ref arena.Ref) {
	r := ix.rec(ref)
	s.table.Remove(s.place(tag, ref))
	s.handles[localOf(r.id())] = 0
	if ix.counted(r.keyspace(), r.key()) {
		s.live--
	}
	if ix.cache != nil && r.keyspace() == engines.QueryCache {
		ix.cache.removed(r.id(), r.size()-recHead)
	}
	ix.arena.Free(ref, r.size())
}

// applyLogged applies one operation of the log. known says that a snapshot
// taken after this operation has been loaded, so that the record may be gone.
func (ix *Index) applyLogged(s *stripe, o *Op, run *arena.Run, known bool) error {
	if o.Kind == engines.OpPut {
		h := ix.hash(o.Keyspace, o.Key)
		if int(h>>56) != StripeOf(o.ID) {
			return fmt.Errorf("key %x of record %d belongs to stripe %d", o.Key, o.ID, h>>56)
		}
		return ix.applyPut(s, o, uint32(h), run)
	}
	local := localOf(o.ID)
	for uint32(len(s.handles)) <= local {
		s.handles = append(s.handles, 0) // an id that the log has used is none that newID calls unused
	}
	ref := s.handles[local]
	s.highest = max(s.highest, uint64(o.Version))
	if o.Kind == engines.OpDelete {
		s.floor = max(s.floor, uint64(o.Version))
	}
	if ref == 0 {
		if known {
			return nil
		}
		return fmt.Errorf("operation %d on record %d, which does not exist", o.Kind, o.ID)
	}
	r := ix.rec(ref)
	if r.version() >= o.Version {
		return nil
	}
	if o.Kind == engines.OpDelete {
		ix.unindex(s, uint32(ix.hash(r.keyspace(), r.key())), ref)
		return nil
	}
	value := r.value()
	if err := lease.CheckHead(value); err != nil || r.keyspace() != engines.Leases {
		return fmt.Errorf("renewal of record %d of %s, which is no lease", o.ID, r.keyspace())
	}
	o.Renewal.PatchChecked(value)
	le.PutUint32(value[lease.HotOffset:], o.Renewals)
	r.setVersion(o.Version)
	return nil
}
