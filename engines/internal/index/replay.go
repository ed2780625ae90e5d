package index

import (
	"fmt"

	"orbitbench/engines"
	"orbitbench/engines/internal/arena"
	"orbitbench/engines/lease"
)

// applyPut makes the record what a snapshot or the log says, unless it is
// newer already. Errors: a reason for which the store is corrupt, or ErrFull.
func (ix *Index) applyPut(s *stripe, o *Op) error {
	h := ix.hash(o.Keyspace, o.Key)
	if int(h>>56) != StripeOf(o.ID) {
		return fmt.Errorf("key %x of record %d belongs to stripe %d", o.Key, o.ID, h>>56)
	}
	local := localOf(o.ID)
	for uint32(len(s.handles)) <= local {
		s.handles = append(s.handles, 0)
	}
	s.highest = max(s.highest, uint64(o.Version))
	// The same key under another id: a snapshot taken while the key was deleted
	// and made again can hold both. The higher version is the later one.
	if ref, _, r := ix.find(s, h, o.Keyspace, o.Key); ref != 0 {
		if r.version() >= o.Version {
			return nil
		}
		if r.id() == o.ID {
			return ix.replaceValue(s, uint32(h), ref, r, o)
		}
		ix.unindex(s, uint32(h), ref)
	}
	if ref := s.handles[local]; ref != 0 {
		r := ix.rec(ref)
		if r.version() >= o.Version {
			return nil
		}
		ix.unindex(s, uint32(ix.hash(r.keyspace(), r.key())), ref)
	}
	ref, _, err := newRecord(ix.arena, o.ID, o.Version, o.Keyspace, o.Key, o.Value)
	if err != nil {
		return fullError(err)
	}
	s.handles[local] = ref
	ix.admit(s, o)
	return s.table.Insert(uint32(h), ref)
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

func (ix *Index) replaceValue(s *stripe, tag uint32, ref arena.Ref, r record, o *Op) error {
	if ix.cache != nil && o.Keyspace == engines.QueryCache {
		ix.cache.put(o.ID, len(o.Value)-r.valueLen())
	}
	if arena.SameClass(r.size(), recHead+len(o.Key)+len(o.Value)) {
		ix.overwrite(r, o.Value)
		r.setVersion(o.Version)
		return nil
	}
	n, _, err := newRecord(ix.arena, o.ID, o.Version, o.Keyspace, o.Key, o.Value)
	if err != nil {
		return fullError(err)
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
		return ix.applyPut(s, o)
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
