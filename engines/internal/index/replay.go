package index

import (
	"fmt"

	"orbitbench/engines"
	"orbitbench/engines/internal/arena"
	"orbitbench/engines/lease"
)

// applyPut makes the record what a snapshot or the log says, unless it is
// newer already. The record is a block already if placed is not 0. Errors: a reason for which the store is corrupt, or ErrFull.
func (ix *Index) applyPut(s *stripe, o *Op, tag uint32, placed arena.Ref) error {
	local := localOf(o.ID)
	for uint32(len(s.handles)) <= local {
		s.handles = append(s.handles, 0)
	}
	s.highest = max(s.highest, uint64(o.Version))
	// The same key under another id: a snapshot taken while the key was deleted
	// and made again can hold both. The higher version is the later one.
	if ref, _, r := ix.find(s, uint64(tag), o.Keyspace, o.Key); ref != 0 {
		if r.version() >= o.Version {
			ix.dropPlaced(o, placed)
			return nil
		}
		if r.id() == o.ID {
			return ix.replaceValue(s, tag, ref, r, o, placed)
		}
		ix.unindex(s, tag, ref)
	}
	if ref := s.handles[local]; ref != 0 {
		r := ix.rec(ref)
		if r.version() >= o.Version {
			ix.dropPlaced(o, placed)
			return nil
		}
		ix.unindex(s, uint32(ix.hash(r.keyspace(), r.key())), ref)
	}
	if placed == 0 {
		var err error
		if placed, _, err = newRecord(ix.arena, o.ID, o.Version, o.Keyspace, o.Key, o.Value); err != nil {
			return fullError(err)
		}
	}
	s.handles[local] = placed
	ix.admit(s, o)
	return fullError(s.table.Insert(tag, placed))
}

// dropPlaced frees the block of an operation that is not applied, if it has one.
func (ix *Index) dropPlaced(o *Op, placed arena.Ref) {
	if placed != 0 {
		ix.arena.Free(placed, recHead+len(o.Key)+len(o.Value))
	}
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

func (ix *Index) replaceValue(s *stripe, tag uint32, ref arena.Ref, r record, o *Op, placed arena.Ref) error {
	if ix.cache != nil && o.Keyspace == engines.QueryCache {
		ix.cache.put(o.ID, len(o.Value)-r.valueLen())
	}
	if arena.SameClass(r.size(), recHead+len(o.Key)+len(o.Value)) {
		ix.overwrite(r, o.Value)
		r.setVersion(o.Version)
		ix.dropPlaced(o, placed)
		return nil
	}
	n := placed
	if n == 0 {
		var err error
		if n, _, err = newRecord(ix.arena, o.ID, o.Version, o.Keyspace, o.Key, o.Value); err != nil {
			return fullError(err)
		}
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
func (ix *Index) applyLogged(s *stripe, o *Op, known bool) error {
	if o.Kind == engines.OpPut {
		h := ix.hash(o.Keyspace, o.Key)
		if int(h>>56) != StripeOf(o.ID) {
			return fmt.Errorf("key %x of record %d belongs to stripe %d", o.Key, o.ID, h>>56)
		}
		return ix.applyPut(s, o, uint32(h), 0)
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
