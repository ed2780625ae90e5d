package bench

import (
	"testing"

	"github.com/stretchr/testify/require"
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
