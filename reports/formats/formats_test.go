package formats

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
	"github.com/stretchr/testify/require"

	"orbitbench/harness/result"
)

var epoch = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

func latencyOf(t testing.TB, base int64) result.Latency {
	h := hdrhistogram.New(1, int64(time.Minute), 3)
	require.NoError(t, h.RecordValues(base, 9800))
	require.NoError(t, h.RecordValues(2*base, 200))
	raw, err := h.Encode(hdrhistogram.V2CompressedEncodingCookieBase)
	require.NoError(t, err)
	return result.Latency{Count: 10000, P50Ns: h.ValueAtQuantile(50), P90Ns: h.ValueAtQuantile(90), P99Ns: h.ValueAtQuantile(99), P999Ns: h.ValueAtQuantile(99.9), MaxNs: h.Max(), Histogram: string(raw)}
}

// cells are two trials of one engine, its control, a recovery and a failure.
func cells(t testing.TB) []*result.Cell {
	var all []*result.Cell
	for trial := 1; trial <= 2; trial++ {
		c := &result.Cell{
			PlanCell: result.PlanCell{Key: fmt.Sprintf("k-%d", trial), Engine: "rocksdb+batch", Workload: "orbit-1m-open", Durability: "interval:10ms", Trial: trial},
			Path:     "native", Status: result.OK, Started: epoch.Add(time.Duration(trial) * time.Minute),
			Measure: &result.Measure{Seconds: 2, AchievedPerS: 1200, Ops: []result.OpResult{
				{Op: "renew", Outcome: "ok", Latency: latencyOf(t, int64(trial)*100_000)},
				{Op: "renew", Outcome: "conflict", Latency: latencyOf(t, 5000)},
			}},
			Resources: &result.Resources{Allocations: 40_000, CPUPerOpNs: 2100.5, DiskBytes: 1 << 20, Memory: result.Memory{ResidentBytes: 30 << 20, HarnessBytes: 20 << 20}},
		}
		twin := *c
		twin.ControlOf, twin.Key = c.Key, c.Key+"-control"
		all = append(all, c, &twin)
	}
	all = append(all,
		&result.Cell{PlanCell: result.PlanCell{Key: "r", Engine: "pebble", Workload: "orbit-recovery", Durability: "sync", Trial: 1}, Path: "generic", Status: result.OK,
			Recovery: &result.Recovery{Repetitions: []result.RecoveryTrial{{FirstReadNs: 31_000_000}, {FirstReadNs: 0}}}},
		&result.Cell{PlanCell: result.PlanCell{Key: "f", Engine: "pebble", Workload: "orbit-recovery", Durability: "sync", Trial: 2}, Status: result.Failed})
	return all
}

func write(t *testing.T) string {
	dir := t.TempDir()
	run := &result.Run{Profile: "ci", Environment: result.Environment{Arch: "amd64", CPUModel: "Example  CPU", FileSystem: "ext4"}}
	paths, err := Write(dir, run, cells(t))
	require.NoError(t, err)
	require.Len(t, paths, 7)
	return dir
}

func read(t *testing.T, dir, name string) string {
	raw, err := os.ReadFile(filepath.Join(dir, name))
	require.NoError(t, err)
	return string(raw)
}

func TestBench(t *testing.T) {
	require.Equal(t, `goos: linux
goarch: amd64
pkg: orbitbench
cpu: Example CPU
fs: ext4
profile: ci
Unit p50-ns better=lower
Unit p90-ns better=lower
Unit p99-ns better=lower
Unit p99.9-ns better=lower
Unit first-read-ns better=lower
Unit allocs/op better=lower
Unit cpu-ns better=lower
Unit ops/s better=higher
BenchmarkRenew/engine=rocksdb+batch/workload=orbit-1m-open/durability=interval:10ms	10000	100031 p50-ns	100031 p90-ns	200063 p99-ns	200063 p99.9-ns
BenchmarkLoad/engine=rocksdb+batch/workload=orbit-1m-open/durability=interval:10ms	20000	1200 ops/s	2100.5 cpu-ns	2 allocs/op
BenchmarkRenew/engine=rocksdb+batch/workload=orbit-1m-open/durability=interval:10ms	10000	200063 p50-ns	200063 p90-ns	400127 p99-ns	400127 p99.9-ns
BenchmarkLoad/engine=rocksdb+batch/workload=orbit-1m-open/durability=interval:10ms	20000	1200 ops/s	2100.5 cpu-ns	2 allocs/op
BenchmarkRecover/engine=pebble+generic/workload=orbit-recovery/durability=sync	1	31000000 first-read-ns
`, read(t, write(t), BenchFile))
}

// A name that ends in -N would be taken for a number of processors.
func TestNamesDoNotEndInANumber(t *testing.T) {
	suffix := regexp.MustCompile(`^Benchmark\S*-\d+\t`)
	for line := range strings.Lines(read(t, write(t), BenchFile)) {
		require.False(t, suffix.MatchString(line), line)
	}
}

func TestHistogramLogsReadBack(t *testing.T) {
	dir := write(t)
	f, err := os.Open(filepath.Join(dir, HistDir, "rocksdb+batch-orbit-1m-open-interval-10ms.hlog"))
	require.NoError(t, err)
	defer f.Close()
	r := hdrhistogram.NewHistogramLogReader(f)
	var tags []string
	for {
		h, err := r.NextIntervalHistogram()
		require.NoError(t, err)
		if h == nil {
			break
		}
		require.Equal(t, int64(10000), h.TotalCount())
		tags = append(tags, h.Tag())
	}
	require.Equal(t, []string{"renew_conflict", "renew_ok", "renew_conflict", "renew_ok"}, tags)

	hgrm := read(t, dir, HistDir+"/rocksdb+batch-orbit-1m-open-interval-10ms-renew-ok.hgrm")
	require.Contains(t, hgrm, "Total count    =        20000")
	lines := strings.Split(hgrm, "\n")
	require.Len(t, strings.Fields(lines[2]), 4, "value, percentile, count, 1/(1-percentile)")
}

func TestDamagedHistogramIsNamed(t *testing.T) {
	all := cells(t)
	all[0].Measure.Ops[0].Latency.Histogram = "x"
	_, err := Write(t.TempDir(), &result.Run{}, all)
	require.ErrorContains(t, err, "cell k-1: damaged histogram")
}

func TestActionJSON(t *testing.T) {
	dir := write(t)
	var entries []map[string]any
	require.NoError(t, json.Unmarshal([]byte(read(t, dir, SmallerFile)), &entries))
	require.Equal(t, map[string]any{"name": "rocksdb+batch orbit-1m-open interval:10ms renew p50", "unit": "ns", "value": 150047.0, "range": "100031 .. 200063", "extra": "median of 2 trials"}, entries[0])
	require.NoError(t, json.Unmarshal([]byte(read(t, dir, BiggerFile)), &entries))
	require.Len(t, entries, 1)
	require.Equal(t, "ops/s", entries[0]["unit"])

	var empty bytes.Buffer
	require.NoError(t, action(&empty, nil, true))
	require.Equal(t, "[]\n", empty.String(), "an empty run is an empty list")
}

// The exposition against the rules of OpenMetrics that a scraper enforces:
// metadata before samples, one block a family, the unit a suffix of the name, EOF last.
func TestMetrics(t *testing.T) {
	text := read(t, write(t), MetricsFile)
	require.True(t, strings.HasSuffix(text, "# EOF\n"))
	require.Contains(t, text, `orbitbench_latency_seconds{engine="rocksdb+batch",workload="orbit-1m-open",durability="interval:10ms",trial="1",op="renew",quantile="0.99"} 0.000200063`)
	sample := regexp.MustCompile(`^([a-z_]+)\{([a-z_]+="[^"\\]*",?)+\} [0-9.e+-]+$`)
	family, seen := "", map[string]bool{}
	for line := range strings.Lines(strings.TrimSuffix(text, "# EOF\n")) {
		line = strings.TrimSuffix(line, "\n")
		if fields := strings.Fields(line); fields[0] == "#" {
			if fields[1] == "TYPE" {
				require.False(t, seen[fields[2]], "family %s twice", fields[2])
				family, seen[fields[2]] = fields[2], true
			}
			if fields[1] == "UNIT" {
				require.True(t, strings.HasSuffix(family, "_"+fields[3]))
			}
			require.Equal(t, family, fields[2])
			continue
		}
		m := sample.FindStringSubmatch(line)
		require.NotNil(t, m, line)
		require.Equal(t, family, m[1])
		require.False(t, seen[line], "sample twice: %s", line)
		seen[line] = true
	}
}
