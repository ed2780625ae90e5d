package cell

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"orbitbench/engines"
	"orbitbench/harness/patience"
	"orbitbench/harness/result"
	"orbitbench/workloads"
)

// storeSpec is a short cell of a store on an engine.
func storeSpec(t testing.TB, store, engine string, config map[string]any) Spec {
	s := testSpec(t, engine, config)
	p, err := workloads.LookupPreset(store)
	require.NoError(t, err)
	s.Kind, s.Params = store, result.Params(p.Params)
	s.Params.Actors, s.Params.Workers, s.Params.RatePerS = 40, 4, 2000
	s.Params.WarmupSeconds, s.Params.Seconds = 0.1, 0.4
	if engine == "evicting" {
		s.Durability.Class = engines.Process
		s.Plan.Durability = s.Durability.String()
	}
	if store == workloads.StoreTimeSeries {
		s.Params.Prefill = 0.1
	}
	return s
}

func closedLoop(s Spec) Spec {
	s.Params.Loop, s.Params.RatePerS = workloads.Closed, 0
	return s
}

func TestStoreCells(t *testing.T) {
	for _, store := range workloads.Stores() {
		for _, engine := range []string{"fake", "memory"} {
			for _, s := range []Spec{storeSpec(t, store, engine, nil), closedLoop(storeSpec(t, store, engine, nil))} {
				patience.Try(t, func(t *patience.T) {
					s.Dir = t.TempDir()
					c := executeTest(t, s)
					wantOK(t, c)
					require.NotNil(t, c.Load, store)
					for _, op := range workloads.OpNamesOf(store) {
						require.NotZero(t, opCount(c, op, "ok"), "%s: %s", store, op)
					}
					for _, o := range c.Measure.Ops {
						require.NotEqual(t, "error", o.Outcome, "%s: %s", o.Op, o.Error)
					}
					require.Equal(t, s.Params.Loop == workloads.Open, c.Measure.Lag != nil)
					require.NotZero(t, c.Resources.UserBytes)
					require.NotZero(t, c.Resources.LiveBytes)
					require.Equal(t, verdictOK, c.Check.Verdict)
					if engine == "fake" { // class none of memory keeps nothing
						require.GreaterOrEqual(t, c.Check.Records, 20, store)
					}
				})
			}
		}
	}
}

func TestStoreCellsFindWhatIsLost(t *testing.T) {
	for _, store := range workloads.Stores() {
		for flaw, want := range map[string]string{"lose": "is missing", "garble": "", "stale": "at version 0", "phantom": "phantom"} {
			if store == workloads.StoreTimeSeries && flaw == "stale" {
				continue // points are never written twice, so that their version says nothing
			}
			patience.Try(t, func(t *patience.T) {
				c := executeTest(t, storeSpec(t, store, "fake", map[string]any{flaw: true}))
				wantFailed(t, c, want)
				require.NotZero(t, c.Check.Lost+c.Check.Phantom, "%s %s", store, flaw)
			})
		}
	}
}

func TestEvictionIsNoLossWhereItIsDeclared(t *testing.T) {
	patience.Try(t, func(t *patience.T) {
		spec := func(engine string) Spec {
			s := storeSpec(t, workloads.StoreQueryCache, engine, map[string]any{"evict_every": 2})
			s.Params.Mix = map[string]float64{"get": 0.5, "put": 0.5}
			return s
		}
		c := executeTest(t, spec("evicting"))
		wantOK(t, c)
		require.NotZero(t, opCount(c, "get", "evicted"), "a look-up of a result that was put and has been dropped")
		require.NotZero(t, opCount(c, "get", "ok"))
		require.NotZero(t, c.Check.Evicted)
		require.Zero(t, c.Check.Lost)

		c = executeTest(t, spec("fake"))
		wantFailed(t, c, "is gone", "does not say that it evicts")
		require.Equal(t, 1, c.Check.Lost, "what is lost under load is a loss")
	})
}

func TestOldResultsExpireAndAreStoredAnew(t *testing.T) {
	patience.Try(t, func(t *patience.T) {
		s := storeSpec(t, workloads.StoreQueryCache, "fake", nil)
		s.Params.LeaseSeconds, s.Params.WarmupSeconds, s.Params.Seconds = 1, 1, 0.4
		s.Params.Mix = map[string]float64{"get": 1}
		c := executeTest(t, s)
		wantOK(t, c)
		require.NotZero(t, opCount(c, "get", "expired"))
		require.NotZero(t, opCount(c, "put", "ok"), "a look-up in vain is followed by a put")
	})
}

func TestNodesThatRunOutRegisterAnew(t *testing.T) {
	patience.Try(t, func(t *patience.T) {
		s := storeSpec(t, workloads.StoreNodes, "fake", nil)
		s.Params.LeaseSeconds, s.Params.RenewSeconds = 0.02, 0.01
		s.Params.Mix = map[string]float64{"renew": 1}
		c := executeTest(t, s)
		wantOK(t, c)
		require.NotZero(t, opCount(c, "update", "ok"))
		require.NotZero(t, opCount(c, "renew", "ok"))
	})
}

func TestStoreAndKindBelongTogether(t *testing.T) {
	s := storeSpec(t, workloads.StoreNodes, "fake", nil)
	s.Kind = result.KindQueryCache
	wantFailed(t, executeTest(t, s), "want querycache as the kind has it")
	s.Kind = result.KindRenewal
	wantFailed(t, executeTest(t, s), "want kind nodes")
	s.Kind = "lists"
	c := executeTest(t, s)
	wantFailed(t, c, "nodes, querycache, timeseries")
	require.False(t, strings.Contains(c.Reason, "%!"))
}

func TestFaultsOfAnEngineFailAStoreCell(t *testing.T) {
	patience.Try(t, func(t *patience.T) {
		for _, store := range workloads.Stores() {
			s := storeSpec(t, store, "fake", map[string]any{"fail_after": 20})
			s.Params.Prefill = 0
			wantFailed(t, executeTest(t, s), "input/output error")
		}
	})
}
