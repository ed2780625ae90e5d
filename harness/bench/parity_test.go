package bench

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"orbitbench/engines"
	"orbitbench/harness/result"
)

const pebbleSays = `_elapsed____ops/sec___mb/sec__p50(ms)__p95(ms)__p99(ms)_pMax(ms)
      1s     5123.0      1.0      1.2      2.0      4.5     10.0

_elapsed___ops(total)_ops/sec(cum)_mb/sec(cum)__avg(ms)__p50(ms)__p95(ms)__p99(ms)_pMax(ms)
    2.0s        10264       5132.0         1.0      1.2      1.2      2.0      4.5     10.0

      |                             |                |
`

func TestToolsAreRead(t *testing.T) {
	v, err := parsePebble(pebbleSays)
	require.NoError(t, err)
	require.Equal(t, 5132.0, v, "the cumulative line, and not one of a second")
	v, err = parseDBBench("DB path: [r]\nfillsync     :    1008.368 micros/op 7870 ops/sec 2.032 seconds 15992 operations;    1.7 MB/s (100000 ops)\n")
	require.NoError(t, err)
	require.Equal(t, 7870.0, v)
	for _, bad := range []string{"", "panic: no such directory", "fillsync : 0 micros/op 0 ops/sec", strings.Split(pebbleSays, "2.0s")[0]} {
		_, err := parsePebble(bad)
		require.ErrorIs(t, err, errNoFigure)
		_, err = parseDBBench(bad)
		require.ErrorIs(t, err, errNoFigure)
	}
}

// fakeTool puts a program of that name first into PATH.
func fakeTool(t *testing.T, name, script string) {
	t.Helper()
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\n"+script), 0o755))
	t.Setenv("PATH", dir+string(os.PathListSeparator)+os.Getenv("PATH"))
}

func TestATurnOfATool(t *testing.T) {
	b := &bench{o: Options{DataDir: t.TempDir(), Slice: time.Millisecond}}
	p := point{kind: toolKind, engine: "pebble", dur: defaultSync, workers: 3}
	fakeTool(t, "pebble", `[ "$1 $2 $4 $5" = "bench sync -c 3" ] || { echo "bad arguments: $*"; exit 1; }
cat <<EOF
`+pebbleSays+"EOF\n")
	s, err := b.measureTool(context.Background(), p)
	require.NoError(t, err)
	require.InDelta(t, 1e9/5132.0, s.nsPerOp, 1)

	for script, want := range map[string]string{"echo no space left; exit 3": "exit status 3: no space left", "echo hello": errNoFigure.Error()} {
		fakeTool(t, "pebble", script)
		_, err = b.measureTool(context.Background(), p)
		var engine *engineError
		require.ErrorAs(t, err, &engine)
		require.ErrorContains(t, err, want)
	}
	left, err := os.ReadDir(b.o.DataDir)
	require.NoError(t, err)
	require.Empty(t, left, "a turn leaves nothing behind")
}

func TestPlanOfParity(t *testing.T) {
	drivers := []engines.Driver{
		slowDriver{name: "ours", role: engines.Candidate}, slowDriver{name: "pebble", role: engines.Yardstick},
		slowDriver{name: "rocksdb", role: engines.Yardstick}, slowDriver{name: "bbolt", role: engines.Yardstick},
	}
	fakeTool(t, "pebble", "")
	t.Setenv("PATH", strings.Split(os.Getenv("PATH"), string(os.PathListSeparator))[0]) // nothing else, so no db_bench
	p := makePlan(Options{Drivers: drivers, Rows: []string{"P15", "P17"}, Rounds: 7})
	var names []string
	for _, s := range p.sections {
		for _, pt := range s.points {
			names = append(names, strings.TrimPrefix(pt.name(), "Benchmark"))
		}
	}
	require.Equal(t, []string{
		"Put/engine=pebble/class=sync/writers=1", "Tool/engine=pebble/class=sync/writers=1",
		"Put/engine=pebble/class=sync/writers=64", "Tool/engine=pebble/class=sync/writers=64",
		"Put/engine=rocksdb/class=sync/writers=1", "Put/engine=rocksdb/class=sync/writers=64",
		"Floor", "Open/engine=ours/class=sync/rate=80k/actors=100k", "Open/engine=pebble/class=sync/rate=80k/actors=100k", "Open/engine=rocksdb/class=sync/rate=80k/actors=100k",
	}, names)
	require.Contains(t, strings.Join(p.notes, "\n"), "db_bench fillsync of rocksdb: there is no program db_bench in PATH (apt-get install rocksdb-tools")
}

func TestParityIsJudged(t *testing.T) {
	put := func(engine string) point {
		return point{kind: putKind, engine: engine, dur: defaultSync, workers: 1, actors: smallStore}
	}
	tool := func(engine string) point { return point{kind: toolKind, engine: engine, dur: defaultSync, workers: 1} }
	open := point{kind: openKind, engine: "ours", dur: defaultSync, workers: openWorkers, actors: smallStore, rate: openRate}
	pace := point{kind: openKind, engine: "memory", dur: engines.Durability{Class: engines.None}, workers: paceWorkers, actors: smallStore, rate: 100_000}
	o := Options{Rows: ParityRows}
	for _, name := range []string{"ours", "pebble", "rocksdb", "memory"} {
		role := engines.Candidate
		if name != "ours" {
			role = engines.Yardstick
		}
		o.Drivers = append(o.Drivers, slowDriver{name: name, role: role})
	}
	good := func() round {
		return round{
			put("pebble"): {nsPerOp: 99}, tool("pebble"): {nsPerOp: 100}, put("rocksdb"): {nsPerOp: 110}, tool("rocksdb"): {nsPerOp: 100},
			floorPoint: {p50: 100e3}, open: {p50: 390e3, p99: 2.9e6, open: openLoop{offered: 80e3, achieved: 79.9e3}},
			pace: {open: openLoop{offered: 100e3, achieved: 99.9e3, lagP99: 49e3}},
		}
	}
	missed := func(r round) (list []string) {
		for _, j := range judge(o, []round{r}) {
			if len(j.values) > 0 && !j.reached() {
				list = append(list, j.row+" "+j.text)
			}
		}
		return list
	}
	require.Empty(t, missed(good()))
	for want, spoil := range map[string]func(round){
		"P17 throughput / pebble bench sync": func(r round) { r[put("pebble")] = sample{nsPerOp: 101} },
		"P17 throughput / db_bench fillsync": func(r round) { r[put("rocksdb")] = sample{nsPerOp: 112} },
		"P15 p50 / floor p50":                func(r round) { s := r[open]; s.p50 = 401e3; r[open] = s },
		"P15 p99, ms":                        func(r round) { s := r[open]; s.p99 = 3.1e6; r[open] = s },
		"P15 lag of the generator p99, us":   func(r round) { s := r[pace]; s.open.lagP99 = 51e3; r[pace] = s },
		"P15 achieved / offered rate":        func(r round) { s := r[open]; s.open.achieved = 79e3; r[open] = s },
	} {
		r := good()
		spoil(r)
		require.Equal(t, []string{want}, missed(r))
	}
	r := good()
	delete(r, tool("rocksdb"))
	for _, j := range judge(o, []round{r}) {
		if strings.Contains(j.text, "db_bench") {
			require.Equal(t, "db_bench fillsync was not measured", j.missing)
		}
	}
}

func TestAVoidedOpenLoopHasNoFigure(t *testing.T) {
	c := &result.Cell{Measure: &result.Measure{AchievedPerS: 5, OfferedPerS: 5, Ops: []result.OpResult{{Op: "renew", Outcome: "ok", Latency: result.Latency{Count: 5, P50Ns: 7}}}}}
	s, err := openSample(c)
	require.NoError(t, err)
	require.Equal(t, 7.0, s.p50)
	c.Validity = &result.Validity{Verdict: result.Invalid, Reasons: []result.Reason{{Check: "lag", Verdict: result.Invalid, Text: "the generator was late"}}}
	_, err = openSample(c)
	require.ErrorIs(t, err, errVoid)
	require.ErrorContains(t, err, "the generator was late")
}

// The open loop is a cell of a run, in a process of its own.
func TestOpenLoopRunsInItsProcess(t *testing.T) {
	dir := benchDir(t)
	a := &apart{dir: dir, seed: 1, openSeconds: 0.2}
	s, err := a.measureOpen(context.Background(), point{kind: openKind, engine: "sound", dur: onProcess, workers: 8, actors: 500, rate: openRate})
	if err == nil { // a busy machine may void it, which is an answer too
		require.NotZero(t, s.ops)
		require.Equal(t, float64(openRate), s.open.offered)
	} else {
		require.ErrorIs(t, err, errVoid)
	}
	_, err = a.measureOpen(context.Background(), point{kind: openKind, engine: "none", dur: onProcess, workers: 8, actors: 500, rate: openRate})
	var engine *engineError
	require.ErrorAs(t, err, &engine)
	require.Contains(t, engine.what, `unknown engine "none"`)
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Empty(t, left)
}

func TestParityRunsPutsIntoAStoreOfTheirOwn(t *testing.T) {
	fakeTool(t, "pebble", "cat <<EOF\n"+pebbleSays+"EOF\n")
	var out, progress bytes.Buffer
	b := &bench{o: Options{DataDir: benchDir(t), Slice: time.Millisecond, Seed: 1, Drivers: []engines.Driver{asPebble}, Stdout: &out, Stderr: &progress}}
	if testing.Short() {
		t.Skip("takes the two seconds that a turn has")
	}
	s, err := b.measurePut(context.Background(), point{kind: putKind, engine: "pebble", dur: onProcess, workers: 2, actors: 1000}, 0)
	require.NoError(t, err)
	require.NotZero(t, s.ops)
	left, err := os.ReadDir(b.o.DataDir)
	require.NoError(t, err)
	require.Empty(t, left)
}
