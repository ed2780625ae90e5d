package crash

import (
	"testing"

	"github.com/stretchr/testify/require"

	"orbitbench/engines"
)

func TestKnownFindingsAreToldApart(t *testing.T) {
	bbolt := engines.Info{Name: "bbolt", Module: "go.etcd.io/bbolt v1.5.0"}
	lost := Violation{Invariant: "durability", Pattern: "whole store lost"}
	pebble := engines.Info{Name: "pebble", Module: "github.com/cockroachdb/pebble/v2 v2.1.7"}
	for _, c := range []struct {
		what   string
		target Target
		method string
		v      Violation
		known  bool
	}{
		{"as it is listed", Target{Info: bbolt, Engine: "bbolt"}, "file-posix", lost, true},
		{"batched", Target{Info: bbolt, Engine: "bbolt+batch"}, "file-posix", lost, true},
		{"with its option set", Target{Info: bbolt, Engine: "bbolt", Config: map[string]any{"sync_parent_dir": true}}, "file-posix", lost, false},
		{"by another method", Target{Info: bbolt, Engine: "bbolt"}, "kill", lost, false},
		{"another invariant", Target{Info: bbolt, Engine: "bbolt"}, "file-posix", Violation{Invariant: "phantom", Pattern: "whole store lost"}, false},
		{"another pattern", Target{Info: bbolt, Engine: "bbolt"}, "file-posix", Violation{Invariant: "durability", Pattern: "acknowledged commits lost"}, false},
		{"another version", Target{Info: engines.Info{Module: "go.etcd.io/bbolt v9"}, Engine: "bbolt"}, "file-posix", lost, false},
		{"what follows from it", Target{Info: pebble, Engine: "pebble"}, "file-posix", Violation{Invariant: "idempotence", Pattern: vanishedInCut}, true},
		{"what does not", Target{Info: pebble, Engine: "pebble"}, "file-posix", Violation{Invariant: "idempotence", Pattern: "a record vanished"}, false},
		{"one of ours", Target{Info: engines.Info{Module: "orbitbench"}, Engine: "bbolt"}, "file-posix", lost, false},
	} {
		require.Equal(t, c.known, KnownAs(&c.target, c.method, c.v) != "", c.what)
	}
	for _, k := range KnownFindings() {
		require.NotEmpty(t, k.Why)
		require.NotEmpty(t, k.Do)
		require.NotEmpty(t, k.Link)
		require.NotEmpty(t, k.Invariants)
	}
}
