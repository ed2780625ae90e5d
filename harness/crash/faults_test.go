package crash

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"orbitbench/engines"
)

// faulted runs trials of the method faults with one ailment.
func faulted(t *testing.T, engine, name string, want int) *Trial {
	tr := trial(t, engine, engines.Sync, want)
	tr.Method = Faults{}
	if engine != "appendlog" {
		tr.Target.Config = nil
	}
	if engine == "paperlog+spinswhenfull" {
		tr.Pool.timeout = 3 * time.Second // it hangs, however long one waits
	}
	tr.begin()
	l := &faultLane{t: tr, base: t.TempDir()}
	for _, a := range ailments {
		if a.name != name {
			continue
		}
		if err := a.bed.available(); err != nil {
			t.Skip(err)
		}
		l.here = append(l.here, a)
	}
	require.NotEmpty(t, l.here, name)
	c := newClaims(want)
	for len(tr.Result().Findings) == 0 && tr.Remaining() > 0 {
		n, _ := c.take()
		require.NoError(t, l.round(context.Background(), n))
	}
	return tr
}

func TestFaultsAccuseNobodyWrongly(t *testing.T) {
	for _, engine := range []string{"paperlog", "paperlog+mapped", "appendlog"} {
		for _, a := range ailments {
			t.Run(engine+"/"+a.name, func(t *testing.T) {
				for _, f := range faulted(t, engine, a.name, 4).Result().Findings {
					t.Errorf("%+v", f)
				}
			})
		}
	}
}

func TestFaultsFindTheirMutants(t *testing.T) {
	for engine, name := range map[string]string{
		"paperlog+spinswhenfull": "full disk",
		"paperlog+swallowfsync":  "EIO on every fsync",
		"paperlog+retriesfsync":  "EIO on one fsync",
		"paperlog+shortwrite":    "short write",
	} {
		t.Run(engine, func(t *testing.T) {
			// A checkpoint that comes soon enough hides a hole in the log: it ends with the first trial that does not.
			found := faulted(t, engine, name, 60).Result().Findings
			require.NotEmpty(t, found)
			t.Logf("%s: %s, %s", found[0].Invariant, found[0].Detail, found[0].Where)
		})
	}
}
