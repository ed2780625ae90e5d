package crash

import (
	"context"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"orbitbench/engines"
	"orbitbench/engines/mutants/paperlog"
)

// matrixMethods are those of the matrix of mutants, by family.
func matrixMethods() map[string][]Method {
	families := map[string][]Method{"kill": {Kill{}}, "damage": {Damage{}}, "faults": {Faults{}}}
	for _, m := range Powers() {
		family, _, _ := strings.Cut(m.Name(), "-")
		families[family] = append(families[family], m)
	}
	return families
}

// hunt runs one method over one mutant, until it has a finding or has tried enough.
func hunt(t *testing.T, d paperlog.Driver, m Method, want int) []string {
	t.Helper()
	info := d.Info()
	pool := NewPool(2, 5*time.Second)
	defer func() { require.NoError(t, pool.Close()) }()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	tr := &Trial{
		Target: Target{Info: info, Engine: info.Name, Durability: engines.Durability{Class: engines.Sync}, Config: map[string]any{"log_bytes": 128 << 10}},
		Method: m, Seed: 11, Want: want, Dir: t.TempDir(), Failures: filepath.Join(t.TempDir(), "failures"), Pool: pool,
	}
	tr.Known = func(*Target, string, Violation) string { // it is asked once for each sort
		cancel()
		return ""
	}
	tr.begin()
	if err := m.Run(ctx, tr); err != nil && ctx.Err() == nil {
		t.Fatalf("%s by %s: %v", info.Name, m.Name(), err)
	}
	var found []string
	for _, f := range tr.Result().Findings {
		found = append(found, f.Invariant+": "+f.Pattern)
	}
	return found
}

// Every mutant is found by one of the methods that should find it.
func TestMutantsAreFound(t *testing.T) {
	if testing.Short() {
		t.Skip("the matrix of mutants takes some ten seconds")
	}
	for _, d := range paperlog.Drivers() {
		mutant, broken := paperlog.Find(d.Flaw)
		if !broken {
			continue
		}
		t.Run(string(d.Flaw), func(t *testing.T) {
			var skipped []string
			for _, family := range mutant.FoundBy {
				for _, m := range matrixMethods()[family] {
					if err := m.Available(); err != nil {
						skipped = append(skipped, err.Error())
						continue
					}
					if found := hunt(t, d, m, 200); len(found) > 0 {
						t.Logf("%s: %s", m.Name(), found[0])
						return
					}
				}
			}
			if len(skipped) > 0 {
				t.Skip(strings.Join(slices.Compact(skipped), "; "))
			}
			t.Errorf("nobody found an engine that %s", mutant.What)
		})
	}
}
