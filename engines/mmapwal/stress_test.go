package mmapwal

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"orbitbench/engines"
	"orbitbench/engines/internal/vfs"
	"orbitbench/engines/lease"
	"orbitbench/harness/patience"
)

// The stress test drives one store with batches that make tables grow, split,
// shrink and move, and compares it with a model: while it is open, at every kill,
// and after every crash. Its structure is audited each time.

type modelKey struct {
	ks  engines.Keyspace
	key string
}

type modelRecord struct {
	value   string
	version engines.Version
}

type model map[modelKey]modelRecord

// stress is the state of a run.
type stress struct {
	t     *testing.T
	rng   *rand.Rand
	e     *engine
	model model
	keys  []modelKey
	d     engines.Durability
}

var stressSpaces = []engines.Keyspace{engines.Nodes, engines.Leases, engines.Snapshots, engines.Index}

// valueLen is mostly short, now and then long enough for a span.
func (s *stress) valueLen() int {
	switch s.rng.IntN(40) {
	case 0:
		return s.rng.IntN(30000)
	case 1, 2, 3:
		return s.rng.IntN(3000)
	}
	return s.rng.IntN(150)
}

func (s *stress) batch(n int, deletes int) {
	var b engines.Batch
	taken := map[modelKey]bool{}
	renewal := lease.Renewal{ExpiresAt: 1 << 50, Now: 5}
	for range n {
		k := modelKey{stressSpaces[s.rng.IntN(len(stressSpaces))], fmt.Sprintf("key-%d", s.rng.IntN(6000))}
		if len(s.keys) > 0 && s.rng.IntN(3) == 0 {
			k = s.keys[s.rng.IntN(len(s.keys))]
		}
		if taken[k] {
			continue
		}
		taken[k] = true
		have, ok := s.model[k]
		switch {
		case s.rng.IntN(10) < deletes:
			b.Delete(k.ks, []byte(k.key))
		case ok && k.ks == engines.Leases && s.rng.IntN(2) == 0 && lease.CheckHead([]byte(have.value)) == nil:
			b.Renew([]byte(k.key), renewal)
		case k.ks == engines.Leases:
			l := lease.New("node", 1, time.Hour, bytes.Repeat([]byte{'c'}, s.rng.IntN(200)))
			value, err := l.AppendBinary(nil)
			if err != nil {
				s.t.Fatal(err)
			}
			b.Put(k.ks, []byte(k.key), value)
		default:
			b.Put(k.ks, []byte(k.key), bytes.Repeat([]byte{byte('a' + s.rng.IntN(26))}, s.valueLen()))
		}
	}
	if err := s.e.Apply(context.Background(), &b); err != nil {
		s.t.Fatalf("apply: %v", err)
	}
	for i := range b.Ops {
		op := &b.Ops[i]
		k := modelKey{op.Keyspace, string(op.Key)}
		switch op.Kind {
		case engines.OpDelete:
			delete(s.model, k)
		case engines.OpRenew:
			value := []byte(s.model[k].value)
			renewal.PatchChecked(value)
			s.model[k] = modelRecord{string(value), op.Assigned}
		default:
			if _, ok := s.model[k]; !ok {
				s.keys = append(s.keys, k)
			}
			s.model[k] = modelRecord{string(op.Value), op.Assigned}
		}
	}
}

// compare demands that a store is the model.
func (m model) compare(e *engine) error {
	n := 0
	for _, ks := range engines.AllKeyspaces() {
		err := e.Scan(context.Background(), ks, nil, nil, func(key, value []byte, v engines.Version) error {
			n++
			want, ok := m[modelKey{ks, string(key)}]
			if !ok || want.value != string(value) || want.version != v {
				return fmt.Errorf("%s %s: %d bytes at version %d, want %d at %d (%v)", ks, key, len(value), v, len(want.value), want.version, ok)
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	if n != len(m) {
		return fmt.Errorf("%d records, want %d", n, len(m))
	}
	if st := e.Stats(); st.Records != uint64(n) {
		return fmt.Errorf("Stats says %d records of %d", st.Records, n)
	}
	return nil
}

// reopened opens what a crash left, compares, and closes it.
func (s *stress) reopened(fs *vfs.Mem, what string) {
	e, err := open(context.Background(), fs, engines.Options{Dir: crashDir, Durability: s.d, Config: stressConfig})
	if err != nil {
		s.t.Fatalf("%s: %v", what, err)
	}
	err = s.model.compare(e)
	if err == nil {
		err = e.auditLive()
	}
	if cerr := e.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		_, err = verify(context.Background(), fs, crashDir, nil)
	}
	if err != nil {
		s.t.Fatalf("%s: %v", what, err)
	}
}

var stressConfig = map[string]any{"extent_bytes": 2 << 20, "segment_bytes": 1 << 20, "checkpoint_log_bytes": -1, "wal_buffer_size": 1 << 20, "checkpoint_share": 1}

func TestStress(t *testing.T) {
	rounds := 12
	if testing.Short() {
		rounds = 4
	}
	for _, class := range []engines.Class{engines.Process, engines.Sync} {
		t.Run(class.String(), func(t *testing.T) {
			seed := patience.Seed(t)
			s := &stress{t: t, rng: rand.New(rand.NewPCG(seed, 1)), model: model{}, d: engines.Durability{Class: class}}
			mem := vfs.NewMem()
			s.e = mustOpen(t, mem, s.d, stressConfig)
			for round := range rounds {
				deletes := []int{1, 1, 8, 3}[round%4]
				for range 60 {
					s.batch(1+s.rng.IntN(120), deletes)
				}
				if err := s.model.compare(s.e); err != nil {
					t.Fatalf("round %d: %v", round, err)
				}
				if err := s.e.auditLive(); err != nil {
					t.Fatalf("round %d: %v", round, err)
				}
				if class == engines.Process {
					s.reopened(mem.Kill(), fmt.Sprintf("round %d, kill", round))
				} else {
					loss := vfs.Losses()[s.rng.IntN(len(vfs.Losses()))]
					s.reopened(mem.Crash(s.rng, loss), fmt.Sprintf("round %d, %s", round, loss))
				}
				s.between(mem, round)
			}
			mustClose(t, s.e)
			s.reopened(mem, "at the end")
		})
	}
}

// between takes a checkpoint, or closes and opens the store, while nothing is written.
func (s *stress) between(mem *vfs.Mem, round int) {
	var err error
	switch s.rng.IntN(3) {
	case 0:
		err = s.e.Checkpoint(context.Background())
	case 1:
		mustClose(s.t, s.e)
		s.e = mustOpen(s.t, mem, s.d, stressConfig)
	}
	if err != nil && !errors.Is(err, engines.ErrClosed) {
		s.t.Fatalf("round %d: checkpoint: %v", round, err)
	}
}
