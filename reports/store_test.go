package reports

import (
	"bytes"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"orbitbench/harness/result"
)

// storeRun is a run of two engines with cells of leases, nodes and query cache.
func storeRun(t *testing.T, edit func(*result.Cell)) *Report {
	var cells []*result.Cell
	dir := writeRun(t, []string{"appendlog", "bbolt"}, 1, nil, func(run *result.Run) {
		for _, e := range syntheticEngines {
			if e.info.Name != "appendlog" && e.info.Name != "bbolt" {
				continue
			}
			for _, store := range []string{result.KindNodes, result.KindQueryCache} {
				c := e.storeCell(store)
				run.Plan = append(run.Plan, c.PlanCell)
				edit(c)
				cells = append(cells, c)
			}
		}
	})
	for _, c := range cells {
		if c.Key != "" {
			writeFile(t, result.CellPath(dir, c.Key), c)
		}
	}
	return load(t, dir)
}

func (e synthetic) storeCell(store string) *result.Cell {
	c := e.renewal(1, store+"-open", "sync", e.sync)
	c.Kind, c.Path = store, ""
	c.Params.Store, c.Params.Preset = store, store
	if store == result.KindNodes {
		c.Measure.Ops = []result.OpResult{
			{Op: "renew", Outcome: "ok", Latency: e.sync.draw(2000, 7, 1)},
			{Op: "update", Outcome: "ok", Latency: e.sync.draw(50, 8, 1)},
		}
		return c
	}
	c.Params.Mix = map[string]float64{"get": 1}
	c.Measure.Ops = []result.OpResult{{Op: "put", Outcome: "ok", Latency: e.sync.draw(300, 6, 1)}}
	for i, outcome := range []string{"ok", "not_found", "evicted"} {
		c.Measure.Ops = append(c.Measure.Ops, result.OpResult{Op: "get", Outcome: outcome, Latency: e.sync.draw(600>>i, 5, 1)})
	}
	return c
}

func text(t *testing.T, r *Report) string {
	var b bytes.Buffer
	require.NoError(t, r.Text(&b, TextOptions{Width: 200}))
	return b.String()
}

func TestStoresHaveTablesOfTheirOwn(t *testing.T) {
	r := storeRun(t, func(*result.Cell) {})
	plain := load(t, writeRun(t, []string{"appendlog", "bbolt"}, 1, nil, nil))
	require.Equal(t, plain.Verdict(), r.Verdict(), "stores are not ranked among the leases")
	require.Equal(t, plain.Claims(), r.Claims())
	require.Equal(t, plain.groups(), r.groups())
	for i, b := range plain.blocks {
		require.Equal(t, plain.comparison(b), r.comparison(r.blocks[i]), "the tables of the leases are as without stores")
	}
	_, stores, found := strings.Cut(text(t, r), "CLUSTER MEMBERS, sync: ")
	require.True(t, found)
	nodes, cache, found := strings.Cut(stores, "QUERY CACHE, sync: ")
	require.True(t, found)
	require.Regexp(t, `nodes-open: 100 k nodes of 256 B`, nodes)
	require.Regexp(t, `renew +update`, nodes)
	require.Regexp(t, `engine +p50 +p99 +n +p50 +p99 +n +rate`, nodes)
	require.NotContains(t, nodes, "/floor")
	require.Regexp(t, `hits +none +expired +evicted`, cache)
	require.Regexp(t, `appendlog .* 57\.1%  28\.6% +0% +14\.3%`, cache)

	var md, csv bytes.Buffer
	require.NoError(t, r.Markdown(&md))
	require.Contains(t, md.String(), "#### cluster members, sync: ")
	require.Contains(t, md.String(), "| look-ups evicted |")
	require.NoError(t, r.CSV(&csv))
	require.Contains(t, csv.String(), "querycache-open,sync,sync,appendlog")
	require.Contains(t, csv.String(), ",get,evicted,")
}

func TestLossesOfStoresAreTold(t *testing.T) {
	r := storeRun(t, func(c *result.Cell) {
		if c.Engine != "appendlog" {
			return
		}
		if c.Kind == result.KindNodes {
			c.Status, c.Reason = result.Failed, "check after reopen"
			c.Check = &result.Check{Records: 9, Lost: 2, Phantom: 1, Verdict: "2 lost and 1 phantom"}
			return
		}
		c.Check.Evicted = 3
	})
	require.Equal(t, []string{
		"appendlog under sync (nodes) holds 1 node never written after a clean close",
		"appendlog under sync (nodes) lost 2 of 9 acknowledged nodes over a clean close",
	}, r.DataLoss())
	require.Contains(t, r.Verdict(), "DATA LOSS")
	require.Contains(t, strings.Join(r.warnings, "; "), "appendlog under sync (querycache): trial 1: 3 acknowledged query results were gone")
}

func TestStoreCellsThatWereNotRunKeepTheirTable(t *testing.T) {
	r := storeRun(t, func(c *result.Cell) {
		if c.Kind == result.KindNodes {
			c.Key = "" // no file
		}
	})
	require.Len(t, r.stores, 2)
	require.Equal(t, result.KindNodes, r.stores[0].kind)
	require.Contains(t, text(t, r), "missing: the run ended before this cell")
	require.Equal(t, result.KindRenewal, kindByName("orbit-node-open"))
	require.Equal(t, result.KindTimeSeries, kindByName("timeseries-closed"))
}

func TestAStoreCellWithoutFiguresIsRefused(t *testing.T) {
	dir := writeRun(t, []string{"appendlog"}, 1, func(c *result.Cell) bool {
		if c.Kind == result.KindRenewal && c.Status == result.OK {
			c.Kind, c.Measure = result.KindNodes, nil
		}
		return true
	}, nil)
	_, err := Load(dir)
	require.ErrorContains(t, err, "without the figures of its measured phase")
	require.ErrorContains(t, err, filepath.Base(dir))
}
