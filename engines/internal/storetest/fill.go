package storetest

import (
	"context"
	"fmt"
	"maps"
	"testing"
	"time"

	"orbitbench/engines"
	"orbitbench/engines/internal/meta"
	"orbitbench/engines/internal/vfs"
	"orbitbench/engines/lease"
)

// Closed says how a store was written and closed.
type Closed struct {
	Durability engines.Durability
	OnClose    bool // Close took a checkpoint
}

// Stores are stores of these classes whose Close took no checkpoint.
func Stores(classes ...engines.Class) (all []Closed) {
	for _, c := range classes {
		all = append(all, Closed{Durability: DurabilityOf(c)})
	}
	return all
}

// DurabilityOf is a class, with a window of 20 ms if it has one.
func DurabilityOf(c engines.Class) engines.Durability {
	d := engines.Durability{Class: c}
	if c == engines.Interval {
		d.Window = 20 * time.Millisecond
	}
	return d
}

// Both are stores of classes sync and process, with and without a checkpoint by Close.
func Both() []Closed {
	all := Stores(engines.Sync, engines.Process)
	for _, c := range all[:2] {
		all = append(all, Closed{c.Durability, true})
	}
	return all
}

// ClosedStore returns a cleanly closed store that has every kind of record in a checkpoint
// and, unless Close takes one, behind it, and what it holds.
func ClosedStore[E Engine](t *testing.T, s Subject[E], c Closed) (*vfs.Mem, Contents) {
	t.Helper()
	mem := vfs.NewMem()
	config := maps.Clone(s.Busy)
	maps.Copy(config, s.Options(16384, map[string]any{"log_bytes": -1, "on_close": c.OnClose}))
	e := s.MustOpen(t, mem, c.Durability, config)
	s.fill(t, e)
	all := ReadAll(t, e)
	MustClose(t, e)
	return mem, all
}

// fill writes every kind of record before a checkpoint and behind it, the first deletes included.
func (s Subject[E]) fill(t *testing.T, e E) {
	t.Helper()
	ctx := context.Background()
	l := lease.New("node", 1, time.Hour, nil)
	value, err := l.AppendBinary(nil)
	if err != nil {
		t.Fatal(err)
	}
	for round := range 3 {
		if s.Fill != nil {
			s.Fill(t, e, round)
		}
		for i := range 60 {
			Put(t, e, engines.Keyspace(i%engines.NumKeyspaces), fmt.Sprintf("key-%d-%d", round, i), string(make([]byte, i*5)))
			v := Put(t, e, engines.Leases, fmt.Sprintf("lease-%d", i), string(value))
			if _, err := e.RenewLease(ctx, fmt.Appendf(nil, "lease-%d", i), v, lease.Renewal{ExpiresAt: int64(time.Hour) + int64(i), Now: 2}); err != nil {
				t.Fatal(err)
			}
		}
		var b engines.Batch
		b.Delete(engines.Nodes, fmt.Appendf(nil, "key-%d-1", round))
		b.Delete(engines.Index, fmt.Appendf(nil, "key-%d-5", round))
		if err := e.Apply(ctx, &b); err != nil {
			t.Fatal(err)
		}
		if round == 1 {
			if err := e.Checkpoint(ctx); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// golden returns a closed store, the same each time, that has two records in a checkpoint and
// operations of each kind in the log: a renewal, and a batch of three.
func (s Subject[E]) golden(t *testing.T) *vfs.Mem {
	t.Helper()
	mem := vfs.NewMem()
	if err := mem.MkdirAll(Dir); err != nil {
		t.Fatal(err)
	}
	if err := s.Meta.Write(mem, Dir, meta.Meta{Seed: 42}); err != nil {
		t.Fatal(err)
	}
	const segment = 16384
	fs := &lateRename{FS: mem}
	e := s.MustOpen(t, fs, syncClass, s.Options(segment, map[string]any{"log_bytes": -1, "on_close": false}))
	l := lease.New("node-1", 100, 50, nil)
	value, err := l.AppendBinary(nil)
	if err != nil {
		t.Fatal(err)
	}
	v := Put(t, e, engines.Leases, "actor", string(value))
	Put(t, e, engines.Nodes, "gone", "soon")
	ctx := context.Background()
	var b engines.Batch
	b.Delete(engines.Nodes, []byte("gone"))
	b.Put(engines.Index, []byte("of node-1"), nil)
	if err := e.Apply(ctx, &b); err != nil {
		t.Fatal(err)
	}
	if s.Steady == nil {
		fs.ready = func() bool { return s.Log(e).Stats().DiskBytes >= 3*segment }
	}
	if err := e.Checkpoint(ctx); err != nil {
		t.Fatal(err)
	}
	fs.ready = nil
	if v, err = e.RenewLease(ctx, []byte("actor"), v, lease.Renewal{ExpiresAt: 200, Now: 120}); err != nil {
		t.Fatal(err)
	}
	b.Reset()
	b.Require(engines.Leases, []byte("actor"), v)
	b.Renew([]byte("actor"), lease.Renewal{ExpiresAt: 300, Now: 130})
	b.Put(engines.Nodes, []byte("gone"), []byte("and back"))
	b.Delete(engines.Index, []byte("of node-1"))
	if err := e.Apply(ctx, &b); err != nil {
		t.Fatal(err)
	}
	MustClose(t, e)
	return mem
}

// lateRename has a checkpoint exist once ready says so: whether the next segment of the log is
// made or one that the checkpoint gives up is used again is then no matter of speed.
type lateRename struct {
	vfs.FS
	ready func() bool // or nil
}

func (f *lateRename) Rename(from, to string) error {
	for f.ready != nil && !f.ready() {
		time.Sleep(time.Millisecond)
	}
	return f.FS.Rename(from, to)
}
