package storetest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"

	"orbitbench/engines"
	"orbitbench/engines/internal/vfs"
)

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
