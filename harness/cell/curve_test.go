package cell

import (
	"strings"
	"testing"

	"orbitbench/harness/result"
)

func curveSpec(t testing.TB, config map[string]any) Spec {
	s := testSpec(t, "fake", config)
	s.Kind, s.Repetitions = result.KindCurve, 2
	s.Curve = &CurveJob{LogRenewals: 300, Reads: 50}
	s.Params.Actors, s.Params.Workers, s.Params.Seconds = 500, 2, 20
	return s
}

func TestCurveRecoversCopiesOfOneStore(t *testing.T) {
	c := executeTest(t, curveSpec(t, nil))
	wantOK(t, c)
	rec := c.Recovery
	k := rec.Curve
	if rec.Leases != 500 || k.LogRenewals < 300 || k.LogUserBytes == 0 || !k.Checkpointed || k.StoreBytes == 0 || k.Copy == "" {
		t.Errorf("curve %+v", k)
	}
	if len(rec.Repetitions) != 4 {
		t.Fatalf("%d recoveries, want 2 cold and 2 warm", len(rec.Repetitions))
	}
	for i, trial := range rec.Repetitions {
		if trial.OpenNs <= 0 || trial.OpenNs > trial.ExecToOpenNs || trial.FirstReadNs < trial.ExecToOpenNs || trial.FirstWriteNs < trial.FirstReadNs {
			t.Errorf("times %+v", trial)
		}
		if want := []int{500, 500, 51, 51}[i]; trial.Acknowledged != want || trial.Lost != 0 {
			t.Errorf("recovery %d: %d leases compared, want %d", i, trial.Acknowledged, want)
		}
		switch cached := trial.CachedBytes; {
		case cached == nil:
			t.Error("nobody looked what was cached")
		case trial.Cache == cacheCold && *cached != 0 || trial.Cache == cacheWarm && *cached == 0:
			t.Errorf("a %s recovery began with %d bytes in the page cache", trial.Cache, *cached)
		}
		if trial.DiskBytes != rec.Repetitions[0].DiskBytes {
			t.Error("a copy differs from the others: they are not pristine")
		}
	}
	if k.WarmReads == nil || k.WarmReads.Count != 100 {
		t.Errorf("warm reads %+v", k.WarmReads)
	}
	if k.ColdReads == nil && !strings.Contains(strings.Join(c.Warnings, "\n"), "not cold") {
		t.Error("no cold reads, and nobody says why")
	}
}

// Each of these loses, ages or makes up a lease over the kill, or breaks one.
func TestCurveSeesWhatRecoveryLost(t *testing.T) {
	for flaw, want := range map[string]string{
		"lose":        "is missing",
		"stale":       "durability: the lease of",
		"phantom":     "of no actor",
		"garble":      "damaged",
		"fail_open":   "read-only file system",
		"reuse_after": "acknowledged",
	} {
		wantFailed(t, executeTest(t, curveSpec(t, map[string]any{flaw: true})), want)
	}
	wantFailed(t, executeTest(t, curveSpec(t, map[string]any{"buffered": 1000})), "lost")
	s := curveSpec(t, nil)
	s.Curve = nil
	wantFailed(t, executeTest(t, s), "curve is missing")
}
