package bench

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"

	"orbitbench/engines"
	"orbitbench/engines/directory"
	"orbitbench/engines/lease"
	"orbitbench/harness/offheap"
)

// heldStore is a store that a process of its own fills. Keys are computed and
// versions kept outside the Go heap, so that the memory and the collector of
// that process are the engine's.
type heldStore struct {
	ctx      context.Context
	engine   engines.Engine
	seed     uint64
	now      int64
	value    []byte // what every lease is loaded with
	versions []uint64
	arena    offheap.Arena
}

func newHeldStore(ctx context.Context, e engines.Engine, j *job) *heldStore {
	s := &heldStore{ctx: ctx, engine: e, seed: j.Seed, now: j.Now, value: leaseRecord(j.Now)}
	s.versions = offheap.Take[uint64](&s.arena, j.Leases)
	return s
}

// load puts every lease.
func (s *heldStore) load() error {
	keys := make([][keyBytes]byte, loadBatch)
	var b engines.Batch
	for from := 0; from < len(s.versions); from += loadBatch {
		part := s.versions[from:min(from+loadBatch, len(s.versions))]
		b.Reset()
		for i := range part {
			putActorKey(&keys[i], s.seed, from+i)
			b.Put(engines.Leases, keys[i][:], s.value)
		}
		if err := s.engine.Apply(s.ctx, &b); err != nil {
			return fmt.Errorf("load: %w", err)
		}
		for i := range part {
			part[i] = uint64(b.Ops[i].Assigned)
		}
	}
	return nil
}

// renewAll renews every lease as often as times says, with several writers,
// each of which has leases of its own.
func (s *heldStore) renewAll(writers, times int) error {
	errs := make([]error, writers)
	var done sync.WaitGroup
	for w := range writers {
		done.Go(func() {
			r := s.newRenewer()
			for range times {
				for i := w; i < len(s.versions) && errs[w] == nil; i += writers {
					errs[w] = r.renew(i)
				}
			}
		})
	}
	done.Wait()
	return errors.Join(errs...)
}

// renewer renews leases of a store for one goroutine. Its key lives as long as it does: a key of
// each renewal's own would be garbage, and the collections that follow from it the harness'.
type renewer struct {
	store   *heldStore
	session *directory.Session
	key     [keyBytes]byte
}

func (s *heldStore) newRenewer() *renewer {
	return &renewer{store: s, session: directory.New(s.engine, directory.Options{}).NewSession()}
}

func (r *renewer) renew(i int) error {
	s := r.store
	putActorKey(&r.key, s.seed, i)
	v, err := r.session.Renew(s.ctx, r.key[:], engines.Version(s.versions[i]), lease.Renewal{ExpiresAt: s.now + int64(leaseTime), Now: s.now})
	if err != nil {
		return fmt.Errorf("renew lease %d: %w", i, err)
	}
	s.versions[i] = uint64(v)
	return nil
}

// reader reads leases of a store that was opened again and compares them with
// what was acknowledged.
type reader struct {
	ctx      context.Context
	engine   engines.Engine
	seed     uint64
	renewals uint32 // of each lease
	want     []byte
	got      []byte
}

// check reads lease i.
func (r *reader) check(i int) error {
	var key [keyBytes]byte
	putActorKey(&key, r.seed, i)
	value, v, err := r.engine.Get(r.ctx, engines.Leases, key[:], r.got[:0])
	if err != nil {
		return fmt.Errorf("lease %d was acknowledged and cannot be read: %w", i, err)
	}
	r.got = value
	const hotEnd = lease.HotOffset + lease.HotBytes
	switch {
	case v == 0 || len(value) != len(r.want),
		!bytes.Equal(value[:lease.HotOffset], r.want[:lease.HotOffset]), !bytes.Equal(value[hotEnd:], r.want[hotEnd:]):
		return fmt.Errorf("lease %d has other bytes than were stored", i)
	}
	if n := binary.LittleEndian.Uint32(value[lease.HotOffset:]); n != r.renewals {
		return fmt.Errorf("lease %d was renewed %d times, acknowledged were %d", i, n, r.renewals)
	}
	return nil
}

// checkEvery reads every step-th of n leases.
func (r *reader) checkEvery(n, step int) error {
	for i := 0; i < n; i += step {
		if err := r.check(i); err != nil {
			return err
		}
		if err := r.ctx.Err(); err != nil {
			return err
		}
	}
	return nil
}
