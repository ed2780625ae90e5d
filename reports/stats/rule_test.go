package stats

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

// around makes n trials of a level that all series share the drift of, each with
// noise of its own.
func around(level, noise float64, n int, seed uint64) Series {
	drift, own := rand.New(rand.NewPCG(1, 1)), rand.New(rand.NewPCG(seed, 2))
	var s Series
	for i := range n {
		s.Trials = append(s.Trials, Trial{i + 1, level * math.Exp(.1*drift.NormFloat64()+noise*own.NormFloat64())})
	}
	return s
}

// contest settles a contest on its own.
func contest(controls []float64, series ...Series) *Contest {
	c := NewContest(series, func(a, b int) Floor {
		return NoiseFloor(controls, "x", series[a].Values(), series[b].Values())
	}, 1)
	Settle(c)
	return c
}

// quiet are controls of a machine that differs from itself by next to nothing.
var quiet = []float64{.001, -.001, .002, -.002, .001, -.001, .002}

func TestAChainIsHeldAgainstTheBestAlone(t *testing.T) {
	// Each meets its neighbour, the last is fifteen times the first.
	c := contest(quiet, around(5.6, .05, 12, 1), around(5.7, .05, 12, 2), around(9, .4, 12, 3), around(25, .4, 12, 4), around(84, .4, 12, 5))
	require.ElementsMatch(t, []int{0, 1}, c.Level())
	require.Equal(t, []int{2, 3, 4}, c.Worse())
	require.InDelta(t, 15, math.Exp(c.Against(4).Ratio.Value), 8)
}

func TestTheSameThingTwiceIsATie(t *testing.T) {
	c := contest(quiet, around(5, .02, 12, 1), around(5, .02, 12, 2))
	require.Len(t, c.Level(), 2)
	require.Empty(t, c.Worse())
	require.Equal(t, Equivalent, c.Against(c.Level()[1]).Outcome)
}

func TestAClearWinnerDiffersFromEveryOther(t *testing.T) {
	c := contest(quiet, around(7, .03, 12, 1), around(5, .03, 12, 2), around(6, .03, 12, 3))
	require.Equal(t, []int{1}, c.Level())
	require.Equal(t, []int{2, 0}, c.Worse())
	require.Equal(t, 12, c.Against(0).Pairs, "the drift of the machine cancels out")
}

func TestTooFewTrialsDecideNothing(t *testing.T) {
	c := contest(quiet, around(5, .01, LeastTrials-1, 1), around(50, .01, LeastTrials-1, 2))
	require.False(t, c.Decided())
	require.Len(t, c.Level(), 2)
	require.Equal(t, "6 of the 7 trials that it takes", c.Against(1).Why)
	// One short series beside whole ones is never the best, and never worse.
	c = contest(quiet, around(1, .01, 3, 1), around(5, .01, 12, 2), around(9, .01, 12, 3))
	require.Equal(t, []int{1, 2, 0}, c.Order())
	require.Equal(t, []int{1, 0}, c.Level())
	require.Equal(t, []int{2}, c.Worse())
	short := around(5, .01, 12, 2)
	short.Short = "360 samples in a trial, a p99 takes 1000"
	c = contest(quiet, around(1, .01, 12, 1), short)
	require.Equal(t, short.Short, c.Against(1).Why)
	require.False(t, c.Decided())
}

func TestNoiseAboveTheMarginHidesADifference(t *testing.T) {
	a, b := around(5, .01, 12, 1), around(6, .01, 12, 2)
	require.Equal(t, []int{1}, contest(quiet, a, b).Worse(), "20% on a quiet machine")
	loud := []float64{.12, -.11, .13, -.12, .11, -.13, .12, -.12}
	c := contest(loud, a, b)
	require.Empty(t, c.Worse(), "20% where the machine differs from itself by 14%")
	require.Regexp(t, `^below the 2\d\.\d% that count here$`, c.Against(1).Why)
	require.Equal(t, "8 A/A pairs of x", c.Against(1).Noise.From)
	// Without controls the trials stand in: drift between neighbours counts as noise.
	require.Equal(t, "12 pairs of neighbouring trials", contest(nil, a, b).Against(1).Noise.From)
}

func TestFourPercentNeverCount(t *testing.T) {
	c := contest(quiet, around(5, .001, 12, 1), around(5.2, .001, 12, 2))
	require.Empty(t, c.Worse())
	require.Equal(t, Equivalent, c.Against(1).Outcome)
}

func TestAFamilyTooLargeSaysSo(t *testing.T) {
	var series []Series
	for i := range uint64(15) { // 105 pairs, and the smallest p of seven trials is 1/1716
		series = append(series, around(5+float64(i), .01, LeastTrials, i))
	}
	c := contest(quiet, series...)
	require.Empty(t, c.Worse())
	require.Equal(t, "7 and 7 trials cannot decide a family of 105", c.Against(14).Why)
}

// False calls over many contests of the same thing stay below alpha: the family
// is a whole contest.
func TestFalseCallsAreRare(t *testing.T) {
	called := 0
	const runs = 40
	for run := range uint64(runs) {
		var all []Series
		for i := range uint64(5) {
			all = append(all, around(5, .1, 9, 100*run+i+10))
		}
		if len(contest(quiet, all...).Worse()) > 0 {
			called++
		}
	}
	require.LessOrEqual(t, called, runs/10)
}
