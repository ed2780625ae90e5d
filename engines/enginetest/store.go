package enginetest

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"path/filepath"
	"sync"

	"orbitbench/engines"
)

// store is one store of one check: a directory and the engine that is open on it.
type store struct {
	TB
	*suite
	ctx  context.Context
	dir  string
	open bool
	e    engines.Engine // valid while open

	staged      engines.Batch // see stage.go
	stagedBytes int
	granted     []granted
}

// newStore returns a store that is not open yet.
func (s *suite) newStore(t TB) *store {
	return &store{TB: t, suite: s, ctx: context.Background(), dir: filepath.Join(t.TempDir(), "store")}
}

func (s *suite) engineOptions(dir string) engines.Options {
	return engines.Options{
		Dir:         dir,
		Durability:  s.options.Durability,
		MemoryBytes: s.options.MemoryBytes,
		Config:      s.options.Config,
	}
}

// start opens the store and closes it at the end of the check.
func (s *store) start() engines.Engine {
	s.Helper()
	e, err := s.driver.Open(s.ctx, s.engineOptions(s.dir))
	if err != nil {
		s.Fatalf("Open: %v", err)
	}
	s.e, s.open = e, true
	s.Cleanup(func() {
		if !s.open || s.e != e {
			return
		}
		if err := e.Close(); err != nil && !errors.Is(err, engines.ErrClosed) {
			s.Errorf("Close at the end of the check: %v", err)
		}
	})
	return e
}

// stop closes the store cleanly.
func (s *store) stop() {
	s.Helper()
	s.open = false
	if err := s.e.Close(); err != nil {
		s.Fatalf("Close: %v", err)
	}
}

// reopen closes the store cleanly and opens it again.
func (s *store) reopen() {
	s.Helper()
	s.stop()
	s.start()
}

// keeps reports whether the class promises that a clean close loses nothing.
func (s *store) keeps() bool { return s.options.Durability.Class != engines.None }

// rng returns a generator for a randomised check and arranges for its seed to be known.
func (s *store) rng(stream uint64) *rand.Rand {
	s.Helper()
	s.Logf("seed %d (set Options.Seed to repeat)", s.options.Seed)
	return rand.New(rand.NewPCG(s.options.Seed, stream))
}

// apply applies ops built by fill and fails the check on an error.
func (s *store) apply(fill func(b *engines.Batch)) *engines.Batch {
	s.Helper()
	var b engines.Batch
	fill(&b)
	if err := s.e.Apply(s.ctx, &b); err != nil {
		s.Fatalf("Apply: %v", err)
	}
	return &b
}

// put stores one record and returns its version.
func (s *store) put(ks engines.Keyspace, key, value string) engines.Version {
	s.Helper()
	b := s.apply(func(b *engines.Batch) { b.Put(ks, []byte(key), []byte(value)) })
	return b.Ops[0].Assigned
}

// remove deletes one record.
func (s *store) remove(ks engines.Keyspace, key string) {
	s.Helper()
	s.apply(func(b *engines.Batch) { b.Delete(ks, []byte(key)) })
}

// putIf stores one record under a condition on its version.
func (s *store) putIf(ks engines.Keyspace, key, value string, v engines.Version) (engines.Version, error) {
	var b engines.Batch
	b.Require(ks, []byte(key), v)
	b.Put(ks, []byte(key), []byte(value))
	err := s.e.Apply(s.ctx, &b)
	return b.Ops[0].Assigned, err
}

// getter is what an engine and a view have in common.
type getter interface {
	Get(ctx context.Context, ks engines.Keyspace, key, dst []byte) ([]byte, engines.Version, error)
	Scan(ctx context.Context, ks engines.Keyspace, from, to []byte, yield func(key, value []byte, v engines.Version) error) error
}

// want checks that a record is there with this value and, unless it is 0, this version.
func (s *store) want(g getter, ks engines.Keyspace, key, value string, v engines.Version) {
	s.Helper()
	got, have, err := g.Get(s.ctx, ks, []byte(key), nil)
	switch {
	case err != nil:
		s.Errorf("Get %s %q: %v, want %s", ks, key, err, brief([]byte(value)))
	case string(got) != value:
		s.Errorf("Get %s %q: value %s, want %s", ks, key, brief(got), brief([]byte(value)))
	case v != 0 && have != v:
		s.Errorf("Get %s %q: version %d, want %d", ks, key, have, v)
	case have == 0:
		s.Errorf("Get %s %q: version 0 of a record that exists", ks, key)
	}
}

// wantAbsent checks that there is no such record.
func (s *store) wantAbsent(g getter, ks engines.Keyspace, key string) {
	s.Helper()
	got, v, err := g.Get(s.ctx, ks, []byte(key), nil)
	if !errors.Is(err, engines.ErrNotFound) {
		s.Errorf("Get %s %q: %s, version %d, error %v, want ErrNotFound", ks, key, brief(got), v, err)
	}
}

// wantConflict checks for a ErrConflict that tells both versions.
func (s *store) wantConflict(what string, err error, ks engines.Keyspace, want, have engines.Version) {
	s.Helper()
	if !errors.Is(err, engines.ErrConflict) {
		s.Errorf("%s: %v, want ErrConflict", what, err)
		return
	}
	var c *engines.ConflictError
	if !errors.As(err, &c) {
		s.Errorf("%s: %v (%T), want a *ConflictError with both versions", what, err, err)
		return
	}
	if c.Keyspace != ks || c.Want != want || c.Have != have {
		s.Errorf("%s: %v, want keyspace %s, want %d, have %d", what, c, ks, want, have)
	}
}

// record is one record of a dump.
type record struct {
	value   string
	version engines.Version
}

// name is a key with its keyspace.
type name struct {
	ks  engines.Keyspace
	key string
}

func (n name) String() string { return fmt.Sprintf("%s %q", n.ks, n.key) }

// dump scans every keyspace and checks the order on the way.
func (s *store) dump(g getter) map[name]record {
	s.Helper()
	all := make(map[name]record)
	for _, ks := range engines.AllKeyspaces() {
		for _, r := range s.scan(g, ks, nil, nil) {
			all[name{ks, r.key}] = record{r.value, r.version}
		}
	}
	return all
}

// scanned is one record as a scan yields it.
type scanned struct {
	key, value string
	version    engines.Version
}

// scan returns the records of [from, to) and checks that keys rise strictly.
func (s *store) scan(g getter, ks engines.Keyspace, from, to []byte) []scanned {
	s.Helper()
	var got []scanned
	err := g.Scan(s.ctx, ks, from, to, func(key, value []byte, v engines.Version) error {
		got = append(got, scanned{string(key), string(value), v})
		return nil
	})
	if err != nil {
		s.Fatalf("Scan %s: %v", ks, err)
	}
	for i := range got {
		if i > 0 && got[i-1].key >= got[i].key {
			s.Fatalf("Scan %s: %q after %q: not in key order", ks, got[i].key, got[i-1].key)
		}
		if got[i].version == 0 {
			s.Fatalf("Scan %s: %q has version 0", ks, got[i].key)
		}
	}
	return got
}

// sameState checks that two dumps agree in every record.
func (s *store) sameState(what string, got, want map[name]record) {
	s.Helper()
	shown := 0
	complain := func(format string, args ...any) {
		s.Helper()
		if shown++; shown <= 5 {
			s.Errorf(what+": "+format, args...)
		}
	}
	for n, w := range want {
		g, ok := got[n]
		switch {
		case !ok && n.ks == engines.QueryCache && s.info.QueryCacheEvicts:
		case !ok:
			complain("%v is missing, want version %d", n, w.version)
		case g != w:
			complain("%v is %s at version %d, want %s at %d", n, brief([]byte(g.value)), g.version, brief([]byte(w.value)), w.version)
		}
	}
	for n, g := range got {
		if _, ok := want[n]; !ok {
			complain("%v at version %d should not exist", n, g.version)
		}
	}
	if shown > 5 {
		s.Errorf("%s: and %d more differences", what, shown-5)
	}
}

// valueHead is the number of bytes of a self-describing value before its filling.
const valueHead = 16

// value returns size bytes (at least valueHead) that belong to key and seq and
// to nothing else.
func value(key string, seq uint64, size int) []byte {
	h := fnv.New64a()
	h.Write([]byte(key)) // a hash never fails
	sum := h.Sum64()
	v := binary.LittleEndian.AppendUint64(make([]byte, 0, size), seq)
	v = binary.LittleEndian.AppendUint64(v, sum)
	for x := sum ^ seq*0x9e3779b97f4a7c15; len(v) < size; {
		x ^= x << 13
		x ^= x >> 7
		x ^= x << 17
		v = append(v, byte(x))
	}
	return v
}

// sequence returns the seq of a value, or an error if any byte of it is not as value made it.
func sequence(key string, v []byte) (uint64, error) {
	if len(v) < valueHead {
		return 0, fmt.Errorf("value of %d bytes, at least %d were written", len(v), valueHead)
	}
	seq := binary.LittleEndian.Uint64(v)
	if !bytes.Equal(v, value(key, seq, len(v))) {
		return 0, fmt.Errorf("value %s was never written under %q", brief(v), key)
	}
	return seq, nil
}

// brief shows the beginning of a value.
func brief(v []byte) string {
	if len(v) > 24 {
		return fmt.Sprintf("%q... (%d bytes)", v[:24], len(v))
	}
	return fmt.Sprintf("%q", v)
}

// during runs body while n goroutines call loop again and again with a rising
// i, each until it returns false or body has ended. It waits for all of them,
// also when body fails the check.
func (s *store) during(n int, loop func(worker, i int) bool, body func()) {
	stop := make(chan struct{})
	var all sync.WaitGroup
	defer all.Wait()
	defer close(stop)
	for w := range n {
		all.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				if !loop(w, i) {
					return
				}
			}
		})
	}
	body()
}
