package crash

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"orbitbench/engines"
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
