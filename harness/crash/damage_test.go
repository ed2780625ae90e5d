package crash

import (
	"context"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"orbitbench/engines"
	"orbitbench/harness/result"
)

// damaged runs some trials of the method damage.
func damaged(t *testing.T, engine string, class engines.Class, config map[string]any) *Trial {
	tr := trial(t, engine, class, 60)
	tr.Method, tr.Target.Config = Damage{}, config
	tr.begin()
	require.NoError(t, tr.Method.Run(context.Background(), tr))
	require.Equal(t, 60, tr.Result().Tested)
	return tr
}

func TestDamageAccusesNobodyWrongly(t *testing.T) {
	for _, engine := range []string{"paperlog", "paperlog+mapped", "appendlog"} {
		config := map[string]any{"log_bytes": 64 << 10}
		if engine == "appendlog" {
			config = map[string]any{"segment_bytes": 128 << 10}
		}
		for _, f := range damaged(t, engine, engines.Sync, config).Result().Findings {
			t.Errorf("%s: %+v", engine, f)
		}
	}
}

func TestDamageFindsItsMutants(t *testing.T) {
	for _, engine := range []string{"paperlog+nochecksum", "paperlog+nobounds"} {
		var found []result.CrashFinding
		for try := 0; try < 5 && len(found) == 0; try++ { // which damage meets a record depends on what was written in time
			found = damaged(t, engine, engines.Sync, map[string]any{"log_bytes": 64 << 10}).Result().Findings
		}
		require.NotEmpty(t, found, engine)
		t.Logf("%s: %s: %s, %s", engine, found[0].Invariant, found[0].Detail, found[0].Where)
	}
}

// What a settled store is damaged in was there half way, and the hurt leaves the rest alone.
func TestHurtsStayInPlace(t *testing.T) {
	tr := trial(t, "paperlog", engines.Sync, 1)
	tr.Target.Config = nil
	l := &damageLane{t: tr, dir: t.TempDir()}
	require.NoError(t, l.admit(context.Background(), rand.New(rand.NewPCG(7, 0))))
	for _, p := range []*patient{l.closed, l.killed} {
		for i := range 200 {
			f, off := p.place(rand.New(rand.NewPCG(uint64(i), 1)))
			require.Less(t, off, len(f.now))
			if p.settled {
				require.Equal(t, f.early[off], f.now[off])
				require.NotZero(t, f.now[off])
			}
		}
	}
}
