package bench

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"orbitbench/engines"
	"orbitbench/engines/lease"
	"orbitbench/engines/memory"
	"orbitbench/harness/floor"
	"orbitbench/harness/patience"
	"orbitbench/harness/result"
)

// slowDriver is the memory engine under another name, with a pause for each
// write as if a device had it.
type slowDriver struct {
	name    string
	role    engines.Role
	pause   time.Duration
	generic bool // hide the native path
	broken  error
	opened  *atomic.Int32
}

func (d slowDriver) Info() engines.Info {
	return engines.Info{Name: d.name, Role: d.role, Module: "orbitbench", Classes: []engines.Class{engines.Process, engines.Sync},
		WhyNot: map[engines.Class]string{engines.Interval: "it has no clock"}}
}

func (d slowDriver) Configure(o engines.Options) (any, error) {
	return nil, d.Info().Supports(o.Durability)
}

func (d slowDriver) Open(ctx context.Context, o engines.Options) (engines.Engine, error) {
	if err := os.MkdirAll(o.Dir, 0o755); err != nil {
		return nil, err
	}
	o.Durability = engines.Durability{}
	e, err := memory.Driver{}.Open(ctx, o)
	if err != nil {
		return nil, err
	}
	if d.opened != nil {
		d.opened.Add(1)
	}
	s := &slowEngine{Engine: e, d: d}
	if d.generic {
		return s, nil
	}
	return &slowNative{s}, nil
}

type slowEngine struct {
	engines.Engine
	d       slowDriver
	mu      sync.Mutex
	flushes atomic.Uint64
}

func (e *slowEngine) flush() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.flushes.Add(1)
	if e.d.pause > 0 {
		time.Sleep(e.d.pause)
	}
}

func (e *slowEngine) Apply(ctx context.Context, b *engines.Batch) error {
	if len(b.Ops) == 1 && b.Ops[0].Kind == engines.OpRenew {
		if e.d.broken != nil {
			return e.d.broken
		}
		e.flush()
	}
	return e.Engine.Apply(ctx, b)
}

func (e *slowEngine) Stats() engines.Stats {
	s := e.Engine.Stats()
	s.Flushes = e.flushes.Load()
	s.LogBytes = s.Flushes * 32
	return s
}

func (e *slowEngine) Close() error {
	if e.d.opened != nil {
		e.d.opened.Add(-1)
	}
	return e.Engine.Close()
}

type slowNative struct{ *slowEngine }

func (e *slowNative) RenewLease(ctx context.Context, key []byte, held engines.Version, r lease.Renewal) (engines.Version, error) {
	if e.d.broken != nil {
		return 0, e.d.broken
	}
	e.flush()
	return e.Engine.(engines.LeaseRenewer).RenewLease(ctx, key, held, r)
}

// benchDir is a directory on a device, or the test is skipped.
func benchDir(t testing.TB) string {
	dir := t.TempDir()
	w, err := floor.Open(floor.Options{Dir: dir, Kind: result.FloorOverwrite, FileBytes: 1 << 20})
	if err != nil {
		t.Skip(err)
	}
	require.NoError(t, w.Close())
	return dir
}

// benchmarkLine is what golang.org/x/perf/benchfmt takes for a result.
var benchmarkLine = regexp.MustCompile(`^Benchmark[A-Z][^\s]*\t[1-9][0-9]*(\t[0-9][0-9.]* [^\s]+)+$`)

func TestRunPrintsRoundsAndJudges(t *testing.T) {
	benchDir(t) // skips
	patience.Try(t, func(t *patience.T) {
		dir := benchDir(t)
		var opened atomic.Int32
		var out, progress bytes.Buffer
		o := Options{
			Drivers: []engines.Driver{
				slowDriver{name: "fast", role: engines.Candidate, opened: &opened},
				slowDriver{name: "pebble", role: engines.Yardstick, pause: 200 * time.Microsecond, opened: &opened},
				slowDriver{name: "bbolt", role: engines.Yardstick, pause: 200 * time.Microsecond, generic: true, opened: &opened},
				slowDriver{name: "unused", role: engines.Baseline},
			},
			Rows: []string{"P1", "P6"}, Actors: []int{2000}, Rounds: 2, Slice: 60 * time.Millisecond,
			Seed: 1, warmBytes: 1 << 20, DataDir: dir, Stdout: &out, Stderr: &progress,
		}
		require.NoError(t, Run(context.Background(), o))
		require.Zero(t, opened.Load(), "every engine is closed")
		entries, err := os.ReadDir(dir)
		require.NoError(t, err)
		require.Empty(t, entries, "every file is removed")

		lines := strings.Split(strings.TrimSpace(out.String()), "\n")
		require.True(t, strings.HasPrefix(lines[0], "goos: "))
		names := map[string]int{}
		for _, line := range lines {
			if !strings.HasPrefix(line, "Benchmark") {
				require.Regexp(t, `^(Unit [^\s]+ better=(lower|higher)|[a-z]+: .+)$`, line)
				continue
			}
			require.Regexp(t, benchmarkLine, line)
			names[strings.Fields(line)[0]]++
		}
		for _, want := range []string{
			"BenchmarkFloor",
			"BenchmarkIdeal/writers=1",
			"BenchmarkMap/actors=2k",
			"BenchmarkRenew/engine=fast/class=sync/writers=1/actors=2k",
			"BenchmarkRenew/engine=pebble/class=sync/writers=1/actors=2k",
			"BenchmarkRenew/engine=bbolt/class=sync/writers=1/actors=2k",
			"BenchmarkRenew/engine=fast/class=process/writers=1/actors=2k",
			"BenchmarkRenew/engine=fast/class=process/writers=1/actors=2k/record=full",
		} {
			n := names[want] + strings.Count(progress.String(), ": "+want+" is left out") // a busy machine may stall
			require.Equal(t, 2, n, "one line of %s a round, and names without -N", want)
			delete(names, want)
		}
		require.Empty(t, names)
		table := progress.String()
		require.Regexp(t, `P1 +Renew/engine=fast/\S+ +throughput / pebble +>= 1.7 .* reached`, table)
		require.Contains(t, table, "path=generic")
		require.NotContains(t, table, "engine=pebble/class=sync/writers=1/actors=2k  p50 / floor", "peers are not judged")
	})
}

func TestInterruptedRunKeepsWholeRounds(t *testing.T) {
	patience.Try(t, func(t *patience.T) {
		var out, progress bytes.Buffer
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		o := Options{
			Drivers: []engines.Driver{slowDriver{name: "fast", role: engines.Candidate}},
			Classes: []engines.Durability{onProcess}, Writers: []int{1, 2}, Actors: []int{500},
			Rounds: 1000, Slice: 10 * time.Millisecond, warmBytes: 1 << 20, DataDir: t.TempDir(), Stderr: &progress,
			Stdout: writerFunc(func(p []byte) (int, error) {
				if strings.Count(out.String(), "BenchmarkMap") == 2 {
					cancel()
				}
				return out.Write(p)
			}),
		}
		require.ErrorIs(t, Run(ctx, o), context.Canceled)
		rounds := strings.Count(progress.String(), " done after ")
		require.GreaterOrEqual(t, rounds, 2)
		lines, stalled := strings.Count(out.String(), "\nBenchmark"), strings.Count(progress.String(), "is left out")
		require.LessOrEqual(t, lines, 3*rounds)
		require.GreaterOrEqual(t, lines, 3*rounds-stalled)
		require.Contains(t, progress.String(), "Medians of")
	})
}

type writerFunc func(p []byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

func TestFailedEngineIsToldByName(t *testing.T) {
	dir := t.TempDir()
	eio := errors.New("input/output error")
	o := Options{
		Drivers: []engines.Driver{slowDriver{name: "sick", role: engines.Candidate, broken: eio}},
		Classes: []engines.Durability{onProcess}, Writers: []int{2}, Actors: []int{100},
		Slice: 10 * time.Millisecond, warmBytes: 1 << 20, DataDir: dir, Stdout: io.Discard, Stderr: io.Discard,
	}
	err := Run(context.Background(), o)
	require.ErrorIs(t, err, eio)
	require.Contains(t, err.Error(), "engine=sick")
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Empty(t, entries)
}

func TestOptionsAreChecked(t *testing.T) {
	valid := Options{Drivers: []engines.Driver{slowDriver{name: "a", role: engines.Candidate}}, DataDir: "x"}
	tests := map[string]func(*Options){
		"unknown row \"P99\"":  func(o *Options) { o.Rows = []string{"P99"} },
		"unknown engine \"b\"": func(o *Options) { o.Engines = []string{"b"} },
		"-1 rounds":            func(o *Options) { o.Rounds = -1 },
		"slice of 1ns":         func(o *Options) { o.Slice = 1 },
		"zipf exponent 0.9":    func(o *Options) { o.ZipfS = 0.9 },
		"0 writers":            func(o *Options) { o.Writers = []int{0} },
		"0 actors":             func(o *Options) { o.Actors = []int{0} },
		"no data directory":    func(o *Options) { o.DataDir = "" },
		"leave --classes":      func(o *Options) { o.Rows, o.Writers = []string{"P1"}, []int{1} },
		"it has no clock":      func(o *Options) { o.Classes = []engines.Durability{{Class: engines.Interval, Window: 1}} },
	}
	_, err := valid.withDefaults()
	require.NoError(t, err)
	for want, breakIt := range tests {
		o := valid
		o.Stdout, o.Stderr = io.Discard, io.Discard
		breakIt(&o)
		if want == "it has no clock" { // no error: the map alone is measured, and the reason is told
			o, err = o.withDefaults()
			require.NoError(t, err)
			require.Contains(t, strings.Join(makePlan(o).notes, " "), want)
			continue
		}
		err := Run(context.Background(), o)
		require.ErrorIs(t, err, ErrUsage)
		require.ErrorContains(t, err, want)
	}
}
