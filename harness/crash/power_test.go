package crash

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"orbitbench/engines"
	"orbitbench/harness/crash/record"
)

func powerTrial(t *testing.T, engine string, m Method, want int) *Trial {
	if err := m.Available(); err != nil {
		t.Skipf("%s: %v", m.Name(), err)
	}
	tr := trial(t, engine, engines.Sync, want)
	tr.Method = m
	tr.begin()
	return tr
}

func TestPowerCutsCostTheAppendLogNothing(t *testing.T) {
	for _, m := range Powers() {
		t.Run(m.Name(), func(t *testing.T) {
			tr := powerTrial(t, "appendlog", m, 12)
			require.NoError(t, tr.Method.Run(t.Context(), tr))
			r := tr.Result()
			require.Empty(t, r.Findings)
			require.Equal(t, 12, r.Passed)
			require.Positive(t, r.Commits)
		})
	}
}

// An engine that never syncs is found; the failure is shrunk, saved and seen again.
func TestPowerCutsFindAnEngineThatDoesNotSync(t *testing.T) {
	tr := powerTrial(t, "unsynced", Power{"file-posix", 40}, 24)
	require.NoError(t, tr.Method.Run(t.Context(), tr))
	r := tr.Result()
	require.NotEmpty(t, r.Findings)
	require.Positive(t, r.LostMax)
	f := r.Findings[0]
	require.Contains(t, f.Where, "lost")
	again, err := Replay(t.Context(), filepath.Join(filepath.Dir(tr.Failures), f.Replay), t.TempDir(), lookup, tr.Pool)
	require.NoError(t, err)
	require.True(t, again.Reproduced)
	require.Equal(t, f.Lost, again.Now.Lost)
}

func TestPowerCutsSayNothingAboutClassProcess(t *testing.T) {
	d, err := lookup("appendlog")
	require.NoError(t, err)
	for _, m := range Powers() {
		require.ErrorContains(t, m.Judges(d.Info(), engines.Durability{Class: engines.Process}), "promises nothing under a power cut")
		require.NoError(t, m.Judges(d.Info(), engines.Durability{Class: engines.Sync}))
	}
}

// The power is cut within the recovery of torn states: an engine that mends its log in
// place is found by that, and one that does not is not.
func TestPowerCutsReachIntoRecoveries(t *testing.T) {
	for engine, broken := range map[string]bool{"paperlog": false, "paperlog+mendsinplace": true} {
		t.Run(engine, func(t *testing.T) {
			p := Power{"file-posix", 1}
			tr := powerTrial(t, engine, p, 100)
			tr.Target.Config = nil
			r, ended, err := p.record(t.Context(), tr, 0, t.TempDir())
			require.NoError(t, err)
			require.NoError(t, ended)
			r.left = 100
			for s := range r.recording.States(record.Options{States: 400}) {
				if len(s.Torn) > 0 {
					require.NoError(t, r.recut(t.Context(), s))
				}
				if f := tr.Result().Findings; len(f) > 0 {
					require.True(t, broken, "%+v", f)
					require.Contains(t, f[0].Where, "its recovery cut after")
					again, err := Replay(t.Context(), filepath.Join(filepath.Dir(tr.Failures), f[0].Replay), t.TempDir(), lookup, tr.Pool)
					require.NoError(t, err)
					require.True(t, again.Reproduced)
					return
				}
				if r.left == 0 || !broken && tr.Result().Recut > 30 {
					break
				}
			}
			require.Positive(t, tr.Result().Recut)
			require.False(t, broken, "not found in %d states within recoveries", tr.Result().Recut)
		})
	}
}
