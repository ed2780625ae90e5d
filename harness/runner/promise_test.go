package runner

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"orbitbench/harness/durability"
	"orbitbench/harness/plan"
	"orbitbench/harness/result"
)

func TestPromisesAreVerifiedOnce(t *testing.T) {
	p := smallPlan(t, 2, "good", "slow")
	o := testOptions(t)
	var asked []string
	o.Durability = func(_ context.Context, j durability.Job) (result.Durability, error) {
		require.DirExists(t, j.Dir)
		asked = append(asked, j.Engine+" "+j.Durability.String())
		d := result.Durability{Engine: j.Engine, Durability: j.Durability.String(), Verdict: result.DurabilityProven}
		if j.Engine == "slow" {
			return d, errors.New("no permission")
		}
		return d, nil
	}
	s, err := Run(context.Background(), p, o)
	require.NoError(t, err)
	require.Equal(t, ExitOK, s.ExitCode(), "that it cannot be verified is no failure")
	require.ElementsMatch(t, []string{"good none", "slow none"}, asked, "once for each engine and class, whatever the trials")
	run, err := result.ReadRun(s.Dir)
	require.NoError(t, err)
	require.Equal(t, result.DurabilityProven, run.DurabilityOf("good", "none").Verdict)
	require.Equal(t, result.DurabilityNotVerified, run.DurabilityOf("slow", "none").Verdict)
	require.Equal(t, "no permission", run.DurabilityOf("slow", "none").Reason)
	require.Nil(t, run.DurabilityOf("good", "sync"))

	o.DataDir = ""
	_, err = Resume(context.Background(), o, testCatalog())
	require.NoError(t, err)
	require.Len(t, asked, 2, "a run that lacks nothing is not traced again")
}

func TestABrokenPromiseIsAViolation(t *testing.T) {
	p := smallPlan(t, 1, "good")
	o := testOptions(t)
	o.Durability = func(_ context.Context, j durability.Job) (result.Durability, error) {
		return result.Durability{Engine: j.Engine, Durability: j.Durability.String(), Verdict: result.DurabilityEarly, Reason: "nothing was synced"}, nil
	}
	s, err := Run(context.Background(), p, o)
	require.NoError(t, err)
	require.Equal(t, ExitViolation, s.ExitCode())
	require.Equal(t, []string{"good under none acknowledges before its promise: nothing was synced"}, s.Violations)
}

func TestSkippedClassesAreNotTraced(t *testing.T) {
	p := smallPlan(t, 1, "good")
	o := testOptions(t)
	o.Durability = func(context.Context, durability.Job) (result.Durability, error) {
		t.Fatal("traced")
		return result.Durability{}, nil
	}
	require.NoError(t, o.resolve())
	r := &run{Options: o, plan: p, record: &result.Run{}, progress: silent{}, cells: []plan.Cell{{Skip: "it has no such class"}}}
	require.NoError(t, (&run{Options: Options{}, record: &result.Run{}}).promises(context.Background()), "nil traces nothing")
	r.Out = t.TempDir()
	require.NoError(t, r.promises(context.Background()))
	require.Empty(t, r.record.DurabilityChecks)
}
