package damagetest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"

	"orbitbench/engines"
	"orbitbench/engines/internal/crashtest"
	"orbitbench/engines/internal/vfs"
	"orbitbench/engines/internal/wal"
)

// Subject is an engine under test. Its store is in [crashtest.Dir].
type Subject struct {
	Open func(ctx context.Context, fs vfs.FS, o engines.Options) (crashtest.Engine, error)
	// Verify checks a closed store.
	Verify func(ctx context.Context, fs vfs.FS) error
	// Log returns the log of an open store that has been opened as a new one.
	Log func(e crashtest.Engine) *wal.Log
	// Config is one with which the engine rotates and checkpoints all the time.
	Config map[string]any
}

var syncClass = engines.Durability{Class: engines.Sync}

func (s Subject) try(fs vfs.FS, d engines.Durability, config map[string]any) (crashtest.Engine, error) {
	return s.Open(context.Background(), fs, engines.Options{Dir: crashtest.Dir, Durability: d, Config: config})
}

func (s Subject) open(t *testing.T, fs vfs.FS, d engines.Durability, config map[string]any) crashtest.Engine {
	t.Helper()
	e, err := s.Open(context.Background(), fs, engines.Options{Dir: crashtest.Dir, Durability: d, Config: config, Logf: t.Logf})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func mustClose(t *testing.T, e engines.Engine) {
	t.Helper()
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
}

// Contents is what a store holds, for comparison: "keyspace/key" to "version/value",
// both in hex.
type Contents map[string]string

// ReadAll returns what the store holds.
func ReadAll(t *testing.T, e engines.Engine) Contents {
	t.Helper()
	all, err := Read(e)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// Read returns what the store holds up to the first error.
func Read(e engines.Engine) (Contents, error) {
	all := Contents{}
	for _, ks := range engines.AllKeyspaces() {
		err := e.Scan(context.Background(), ks, nil, nil, func(key, value []byte, v engines.Version) error {
			all[fmt.Sprintf("%s/%x", ks, key)] = fmt.Sprintf("%d/%x", v, value)
			return nil
		})
		if err != nil {
			return all, err
		}
	}
	return all, nil
}

// Equal says whether two stores hold the same.
func (c Contents) Equal(o Contents) bool {
	if len(c) != len(o) {
		return false
	}
	for k, v := range c {
		if o[k] != v {
			return false
		}
	}
	return true
}

// Put commits one record and returns its version.
func Put(t *testing.T, e engines.Engine, ks engines.Keyspace, key, value string) engines.Version {
	t.Helper()
	var b engines.Batch
	b.Put(ks, []byte(key), []byte(value))
	if err := e.Apply(context.Background(), &b); err != nil {
		t.Fatal(err)
	}
	return b.Ops[0].Assigned
}

// Clone returns a copy of a file system that nothing is open on.
func Clone(m *vfs.Mem) *vfs.Mem { return m.Crash(rand.New(rand.NewPCG(1, 1)), vfs.LoseNone) }
