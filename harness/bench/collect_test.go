package bench

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"orbitbench/engines"
	"orbitbench/engines/lease"
)

// The floor is watched like a store: it has as many stops of the world at least, and the time until all
// threads stand still is part of the pause.
func TestWatchCollector(t *testing.T) {
	c, err := watchCollector(0.02, computeWhile)
	require.NoError(t, err)
	require.GreaterOrEqual(t, c.Cycles, float64(collectCycles))
	require.Positive(t, c.PauseNs)
	require.Positive(t, c.StopNs)
	require.LessOrEqual(t, c.StopNs, c.PauseNs)
	require.Positive(t, c.NsPerRenew)
}

// nextVersion is an engine whose renewals do nothing.
type nextVersion struct{ engines.Engine }

func (nextVersion) RenewLease(_ context.Context, _ []byte, held engines.Version, _ lease.Renewal) (engines.Version, error) {
	return held + 1, nil
}

// What the harness allocates beside a store would be taken for the engine's garbage.
func TestRenewerAllocatesNothing(t *testing.T) {
	s := newHeldStore(t.Context(), nextVersion{}, &job{Leases: 10})
	t.Cleanup(s.arena.Release)
	r := s.newRenewer()
	require.Zero(t, testing.AllocsPerRun(1000, func() {
		if err := r.renew(3); err != nil {
			t.Error(err)
		}
	}))
	require.Positive(t, s.versions[3])
}
