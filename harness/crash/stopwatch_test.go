package crash

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A stop of an hour counts as a moment, and no reading goes back.
func TestAStopwatchLeavesOutStops(t *testing.T) {
	begin := time.Now()
	w := &stopwatch{last: begin}
	now := begin
	for range 100 {
		now = now.Add(10 * time.Millisecond)
		w.at(now)
	}
	require.Equal(t, time.Second, w.sum)
	now = now.Add(time.Hour)
	require.Equal(t, time.Second+stride, w.at(now))
	require.Equal(t, time.Second+stride, w.at(begin), "a tick that was told late")
	require.Less(t, stride, Rules{}.allowance(), "a stop makes no commit older than the window allows")
}
