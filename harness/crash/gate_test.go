package crash

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"orbitbench/engines"
	"orbitbench/engines/appendlog"
)

// named is a method that does nothing.
type named struct {
	Power
	missing error
}

func (n named) Available() error { return n.missing }

// The crashes of a gate are spread over what can be had, and none is left out.
func TestAGateIsSpread(t *testing.T) {
	gate, err := GateOf("pr")
	require.NoError(t, err)
	_, err = GateOf("huge")
	require.ErrorContains(t, err, "pr, nightly, release")
	var targets []Target
	for _, d := range []string{"process", "interval:10ms", "sync", "none"} {
		durability, err := engines.ParseDurability(d)
		require.NoError(t, err)
		targets = append(targets, Target{Info: appendlog.Driver{}.Info(), Engine: "appendlog", Durability: durability})
	}
	methods := []Method{Kill{},
		named{Power: Power{Stage: "file-posix"}}, named{Power: Power{Stage: "file-ext4"}},
		named{Power: Power{Stage: "block-ext4"}}, named{Power: Power{Stage: "block-ext4-writeback"}}, named{Power: Power{Stage: "block-xfs"}, missing: errors.New("needs root")}}
	sums, skipped := map[string]int{}, 0
	for _, c := range Plan(gate, 0, targets, methods) {
		require.Positive(t, c.Want)
		if c.Skip != "" {
			require.Equal(t, "needs root", c.Skip)
			skipped++
			continue
		}
		sums[sortOf(named{Power: Power{Stage: c.Method}})] += c.Want
		require.NotEqual(t, "none", c.Durability)
	}
	require.Equal(t, 2, skipped, "block-xfs, under interval and sync")
	for sort, want := range map[string]int{"kill": gate.Kills, "file": gate.File, "block": gate.Block} {
		require.InDelta(t, want, sums[sort], 4, sort)
		require.GreaterOrEqual(t, sums[sort], want, sort)
	}
	only := Plan(gate, 30, targets[:1], methods[1:2])
	require.Len(t, only, 1)
	require.Contains(t, only[0].Skip, "class process promises nothing under a power cut")
	require.Equal(t, "appendlog-crash-file-posix-process-1", only[0].Key)
}
