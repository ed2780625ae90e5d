package aa

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"orbitbench/engines"
	"orbitbench/engines/appendlog"
	"orbitbench/engines/memory"
	"orbitbench/harness/patience"
)

// machine is a simulated one: a trial takes a microsecond, perSpin for each
// spin, and a factor of chance.
func machine(seed uint64, noise, perSpin float64) blockOf {
	rng := rand.New(rand.NewPCG(seed, 1))
	return func(float64) block {
		return func(_ context.Context, spins []int, _ int) (p50Ns []float64, err error) {
			for _, n := range spins {
				p50Ns = append(p50Ns, (1000+perSpin*float64(n))*math.Exp(noise*rng.NormFloat64()))
			}
			return p50Ns, nil
		}
	}
}

func simulate(t *testing.T, noise, perSpin float64) *Result {
	t.Helper()
	o, err := Options{Driver: appendlog.Driver{}, Durability: engines.Durability{Class: engines.Process}, Seed: 1}.withDefaults()
	require.NoError(t, err)
	r, err := o.run(context.Background(), machine(7, noise, perSpin), 5)
	require.NoError(t, err)
	require.Len(t, r.Repetitions, 20)
	return r
}

func TestAQuietMachineTells(t *testing.T) {
	r := simulate(t, 0.01, 5)
	n := r.count()
	require.LessOrEqual(t, n.called, 1)
	require.Zero(t, n.undecided)
	require.GreaterOrEqual(t, n.found, 19)
	require.Equal(t, Passed, r.Outcome())
	require.InDelta(t, 100, r.DelayNs, 5)
}

func TestANoisyMachineSaysSo(t *testing.T) {
	r := simulate(t, 0.3, 5)
	require.Equal(t, 20, r.count().undecided)
	require.Equal(t, Undecided, r.Outcome())
	require.Contains(t, r.String(), "20 inconclusive")
}

// The checks are not satisfied by a rule that never or always finds something.
func TestWrongAnswersFail(t *testing.T) {
	require.Equal(t, Failed, simulate(t, 0.01, 0).Outcome(), "a delay that does nothing is not found")
	r := simulate(t, 0.01, 5)
	for i := range 2 {
		r.Repetitions[i].Same.Verdict = Different
	}
	require.Equal(t, Failed, r.Outcome(), "two of twenty false alarms are one too many")
	r.Repetitions[0].Same.Verdict = Alike
	require.Equal(t, Passed, r.Outcome())
	for i := range 2 {
		r.Repetitions[i].Slowed.Verdict = Alike
	}
	require.Equal(t, Failed, r.Outcome())
	r.Repetitions[0].Slowed.Verdict = Inconclusive
	require.Equal(t, Failed, r.Outcome(), "18 of 19 is less than 19 of 20")
}

func TestOptionsAreChecked(t *testing.T) {
	for _, o := range []Options{{Trials: 6}, {Repetitions: -1}, {Slowdown: -1}, {Actors: -1}, {Time: time.Millisecond}} {
		_, err := Run(context.Background(), o)
		require.ErrorIs(t, err, ErrUsage)
	}
}

func TestAFailedTrialEndsIt(t *testing.T) {
	o, err := Options{Driver: appendlog.Driver{}}.withDefaults()
	require.NoError(t, err)
	broken := errors.New("broken")
	fails := func(context.Context, []int, int) ([]float64, error) { return nil, broken }
	_, err = o.run(context.Background(), func(float64) block { return fails }, 5)
	require.ErrorIs(t, err, broken)
}

// A real engine, few and short trials: that it runs, and not what it finds.
func TestRealTrials(t *testing.T) {
	patience.Try(t, func(t *patience.T) {
		dir := t.TempDir()
		o := Options{
			Driver: memory.Driver{}, Durability: engines.Durability{Class: engines.None}, Repetitions: 1, Trials: 7,
			Actors: 500, Time: 10 * time.Millisecond, Slowdown: 5, Seed: 1, DataDir: dir,
		}
		r, err := Run(context.Background(), o)
		require.NoError(t, err)
		require.Len(t, r.Repetitions, 1)
		require.Positive(t, r.P50Ns)
		require.Positive(t, r.DelayNs)
		require.Contains(t, r.String(), "1 repetitions of 7 interleaved trials a side")

		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		_, err = Run(ctx, o)
		require.ErrorIs(t, err, context.Canceled)
	})
}

func TestSpinTakesTime(t *testing.T) {
	require.Positive(t, spinNs())
}
