package crash

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"orbitbench/engines"
	"orbitbench/engines/appendlog"
	"orbitbench/engines/memory"
	"orbitbench/engines/mutants/paperlog"
)

// TestMain lets the test binary be a worker and a verifier.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == ChildVerb {
		os.Exit(ChildMain(context.Background(), os.Args[2:], lookup, os.Stdin, os.Stdout, os.Stderr))
	}
	os.Exit(m.Run())
}

func lookup(name string) (engines.Driver, error) {
	switch name {
	case "appendlog":
		return appendlog.Driver{}, nil
	case "forgetful":
		return forgetful{}, nil
	case "unsynced":
		return unsynced{}, nil
	}
	for _, d := range paperlog.Drivers() {
		if d.Info().Name == name {
			return d, nil
		}
	}
	return nil, fmt.Errorf("unknown engine %q", name)
}

// forgetful keeps everything in memory, and says that it survives a kill.
type forgetful struct{ memory.Driver }

func (forgetful) Info() engines.Info {
	i := appendlog.Driver{}.Info()
	i.Name = "forgetful"
	return i
}

func (f forgetful) Open(ctx context.Context, o engines.Options) (engines.Engine, error) {
	o.Durability, o.Config = engines.Durability{}, nil
	return f.Driver.Open(ctx, o)
}

// unsynced is the append log under class process, which says that it is sync.
type unsynced struct{ appendlog.Driver }

func (u unsynced) Open(ctx context.Context, o engines.Options) (engines.Engine, error) {
	o.Durability.Class = engines.Process
	return u.Driver.Open(ctx, o)
}

func trial(t *testing.T, engine string, class engines.Class, want int) *Trial {
	d, err := lookup(engine)
	require.NoError(t, err)
	pool := NewPool(2, 0)
	t.Cleanup(func() { require.NoError(t, pool.Close()) })
	tr := &Trial{
		Target: Target{Info: d.Info(), Engine: engine, Durability: engines.Durability{Class: class}, Config: map[string]any{"segment_bytes": 128 << 10}},
		Method: Kill{}, Seed: 5, Want: want, Dir: t.TempDir(), Failures: filepath.Join(t.TempDir(), "failures"), Pool: pool,
	}
	tr.begin()
	return tr
}

func TestKillsCostTheAppendLogNothing(t *testing.T) {
	for _, class := range []engines.Class{engines.Process, engines.Sync} {
		tr := trial(t, "appendlog", class, 8)
		require.NoError(t, tr.Method.Run(t.Context(), tr))
		r := tr.Result()
		require.Empty(t, r.Findings)
		require.Equal(t, 8, r.Tested)
		require.Equal(t, 8, r.Passed)
		require.Positive(t, r.Commits)
	}
}

// A broken engine is found, and the saved failure shows it again.
func TestKillsFindAnEngineThatForgets(t *testing.T) {
	tr := trial(t, "forgetful", engines.Process, 8)
	require.NoError(t, tr.Method.Run(t.Context(), tr))
	r := tr.Result()
	require.NotEmpty(t, r.Findings)
	require.Positive(t, r.LostMax)
	f := r.Findings[0]
	require.Contains(t, []string{"durability", "phantom"}, f.Invariant, "phantom: what the session before had left is gone")
	dir := filepath.Join(filepath.Dir(tr.Failures), f.Replay)
	again, err := Replay(t.Context(), dir, t.TempDir(), lookup, tr.Pool)
	require.NoError(t, err)
	require.True(t, again.Reproduced)
	require.Equal(t, f.Lost, again.Now.Lost)
	require.Equal(t, f.Acked, again.Now.Acked)
}

// What a verifier meets is an outcome, whatever it is.
func TestOutcomesOfAVerifier(t *testing.T) {
	pool := NewPool(1, 0)
	defer func() { require.NoError(t, pool.Close()) }()
	target := &Target{Engine: "appendlog", Durability: engines.Durability{Class: engines.Sync}}
	v, err := pool.Verify(t.Context(), target, filepath.Join(t.TempDir(), "missing", "store"), VerifyOptions{})
	require.NoError(t, err)
	require.Equal(t, OutcomeRefused, v.Outcome)
	v, err = pool.Verify(t.Context(), target, filepath.Join(t.TempDir(), "store"), VerifyOptions{})
	require.NoError(t, err)
	require.Equal(t, OutcomeOK, v.Outcome, v.Error)
	require.True(t, v.Reopened)

	dead := NewPool(1, 1) // a nanosecond
	defer func() { require.NoError(t, dead.Close()) }()
	v, err = dead.Verify(t.Context(), target, filepath.Join(t.TempDir(), "store"), VerifyOptions{})
	require.NoError(t, err)
	require.Equal(t, OutcomeHung, v.Outcome)
}

// A worker over two sessions ends by itself and leaves a whole history.
func TestDriveToTheEnd(t *testing.T) {
	target := &Target{Engine: "appendlog", Durability: engines.Durability{Class: engines.Sync}}
	store := filepath.Join(t.TempDir(), StoreName)
	h, err := Drive(t.Context(), target, DriveOptions{Store: store, Load: Load{Seed: 1, Writers: 3, Readers: 1, Steps: 20, Sessions: 2, CheckpointEvery: 5, CloseAtEnd: true}})
	require.NoError(t, err)
	require.Equal(t, 60, h.Acks())
	require.Equal(t, Closed, h.Events[len(h.Events)-1].Kind)
	for i := 1; i < len(h.Events); i++ {
		require.Greater(t, h.Events[i].At, h.Events[i-1].At)
	}
	_, err = Drive(t.Context(), &Target{Engine: "nobody"}, DriveOptions{Store: store, Load: h.Load})
	var ended *WorkerError
	require.ErrorAs(t, err, &ended)
}
