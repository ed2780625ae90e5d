package reports

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
	"github.com/stretchr/testify/require"

	"orbitbench/harness/result"
)

// The synthetic runs of this file have the shape of real ones (a log-normal
// body, stalls in the tail, noise between trials) and the same figures in every
// test run. They exist in test code only.

var epoch = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// shape describes a latency distribution in nanoseconds.
type shape struct {
	median, sigma float64
	stall, size   float64 // probability of a stall and its mean length
}

// drawn remembers what was drawn: many tests use the same runs.
var drawn sync.Map

// draw makes n samples; scale is the noise of the trial.
func (s shape) draw(n int, seed uint64, scale float64) result.Latency {
	type order struct {
		s     shape
		n     int
		seed  uint64
		scale float64
	}
	key := order{s, n, seed, scale}
	if l, ok := drawn.Load(key); ok {
		return l.(result.Latency)
	}
	l := s.sample(n, seed, scale)
	drawn.Store(key, l)
	return l
}

func (s shape) sample(n int, seed uint64, scale float64) result.Latency {
	rng := rand.New(rand.NewPCG(seed, 7))
	h := hdrhistogram.New(1, int64(time.Minute), 3)
	lo, hi := int64(math.MaxInt64), int64(0)
	for range n {
		v := s.median * scale * math.Exp(s.sigma*math.Abs(rng.NormFloat64()))
		if rng.Float64() < s.stall {
			v += s.size * rng.ExpFloat64()
		}
		ns := max(1, int64(v))
		lo, hi = min(lo, ns), max(hi, ns)
		if err := h.RecordValue(ns); err != nil {
			panic(err)
		}
	}
	return latencyOf(h, lo, hi)
}

func latencyOf(h *hdrhistogram.Histogram, lo, hi int64) result.Latency {
	raw, err := h.Encode(hdrhistogram.V2CompressedEncodingCookieBase)
	if err != nil {
		panic(err)
	}
	q := h.ValueAtQuantile
	return result.Latency{
		Count: uint64(h.TotalCount()), MinNs: lo, MaxNs: hi, Histogram: string(raw),
		P50Ns: q(50), P90Ns: q(90), P99Ns: q(99), P999Ns: q(99.9), P9999Ns: q(99.99),
	}
}

// synthetic is one engine of a synthetic run.
type synthetic struct {
	info          result.Engine
	process, sync shape   // of renewals; a zero median means that the class is not offered
	read          float64 // median in nanoseconds
	recovery      float64 // seconds
	memory        float64 // bytes per lease
	amplification float64
}

var syntheticEngines = []synthetic{
	{engineInfo("cowbtree", "COW B+ tree", "candidate", 5210, 0, 7), shape{780, .35, 2e-4, 6e4}, shape{118e3, .12, 4e-3, 9e5}, 310, .41, 240, 9.2},
	{engineInfo("mmapwal", "mmap + WAL", "candidate", 3480, 0, 6), shape{410, .3, 1e-4, 5e4}, shape{104e3, .09, 2e-3, 6e5}, 140, .12, 330, 5.1},
	{engineInfo("appendlog", "Append log", "candidate", 2950, 0, 5), shape{380, .3, 3e-4, 3e4}, shape{101e3, .09, 2e-3, 5e5}, 150, .19, 300, 4.4},
	{engineInfo("actorstore", "Actor-specific", "candidate", 6120, 0, 9), shape{230, .3, 2e-4, 8e4}, shape{103e3, .1, 3e-3, 11e5}, 120, .15, 260, 4.9},
	{engineInfo("rocksdb", "RocksDB", "yardstick", 341000, 3, 22), shape{5200, .4, 1e-3, 4e5}, shape{196e3, .2, 9e-3, 3e6}, 2100, .62, 420, 11.3},
	{engineInfo("pebble", "LSM tree", "yardstick", 118000, 24, 18), shape{2900, .4, 2e-3, 5e5}, shape{182e3, .18, 8e-3, 22e5}, 1400, .38, 390, 10.1},
	{engineInfo("bbolt", "", "yardstick", 6900, 1, 6), shape{}, shape{291e3, .15, 2e-2, 4e6}, 640, .05, 350, 31.4},
	{engineInfo("memory", "", "baseline", 410, 0, 1), shape{}, shape{}, 90, 0, 520, 0},
}

func engineInfo(name, claim, role string, lines, deps, tunables int) result.Engine {
	titles := map[string]string{"bbolt": "bbolt", "memory": "Memory", "pebble": "Pebble (LSM)"}
	title := titles[name]
	if title == "" {
		title = claim
	}
	e := result.Engine{
		Name: name, Title: title, Role: role, Claim: claim, Summary: "synthetic", Module: "orbitbench", Cgo: name == "rocksdb",
		Classes: []string{"process", "sync"}, Configuration: "defaults, see the engine's documentation",
		Complexity: &result.Complexity{Lines: lines, Dependencies: deps, Tunables: tunables, Goroutines: deps / 4},
	}
	switch name {
	case "bbolt":
		e.Classes = []string{"sync"}
		e.WhyNot = map[string]string{"process": "bbolt without fsync keeps dirty pages in a private write path; the class would need its own write order"}
	case "memory":
		e.Classes = []string{"none"}
		e.WhyNot = map[string]string{"process": "holds everything in process memory", "sync": "holds everything in process memory"}
	}
	return e
}

// writeRun writes a run of these engines with that many trials into a new
// directory and returns it. edit may change a cell, or return false to leave its
// file out; editRun may change the run.
func writeRun(t testing.TB, names []string, trials int, edit func(*result.Cell) bool, editRun func(*result.Run)) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "run")
	require.NoError(t, os.MkdirAll(filepath.Join(dir, result.CellDir), 0o755))
	run := syntheticRun()
	for _, e := range syntheticEngines {
		for _, name := range names {
			if name != e.info.Name {
				continue
			}
			run.Engines = append(run.Engines, e.info)
			for trial := 1; trial <= trials; trial++ {
				for _, c := range e.cells(trial) {
					run.Plan = append(run.Plan, c.PlanCell)
					if edit == nil || edit(c) {
						require.NoError(t, result.WriteCell(dir, c))
					}
				}
			}
		}
	}
	run.Preview = trials == 1
	if editRun != nil {
		editRun(run)
	}
	writeFile(t, filepath.Join(dir, result.RunFile), run)
	return dir
}

// writeFile is what result.WriteCell and WriteRun do, without waiting for the device.
func writeFile(t testing.TB, path string, v any) {
	switch v := v.(type) {
	case *result.Cell:
		v.Schema = result.SchemaVersion
	case *result.Run:
		v.Schema = result.SchemaVersion
	}
	raw, err := json.MarshalIndent(v, "", "  ")
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(path, raw, 0o644))
}

func syntheticRun() *result.Run {
	finished := epoch.Add(2 * time.Minute)
	rotational := false
	run := &result.Run{
		Tool:        result.Tool{Version: "0.1.0", Commit: "0123456789abcdef", GoVersion: "go1.26.0", Modules: map[string]string{"github.com/cockroachdb/pebble/v2": "v2.1.7"}},
		CommandLine: []string{"orbitbench", "run", "--profile", "quick"}, Profile: "quick", Seed: 42,
		Started: epoch, Finished: &finished,
		Environment: result.Environment{
			Hostname: "bench", OS: "Debian GNU/Linux 12", Kernel: "6.1.0", Arch: "amd64", CPUModel: "Example CPU @ 2.9 GHz", CPUs: 2,
			MemoryBytes: 8e9, DataDir: "data", FileSystem: "ext4", MountOptions: "rw,relatime", MountSource: "/dev/vda1",
			Device: "vda", WriteCache: "write back", Rotational: &rotational, Scheduler: "none", FreeDiskBytes: 40e9, LoadAverage: [3]float64{.12, .3, .2},
		},
		Overhead: &result.Overhead{PerOpNs: 33.1, Threads: 2, Speedup: 1.94},
	}
	for i := range 3 {
		run.Floors = append(run.Floors,
			result.Floor{Kind: result.FloorOverwrite, When: epoch, Bytes: 4096, Latency: shape{92e3, .05, 1e-3, 3e5}.draw(3000, uint64(i), 1)},
			result.Floor{Kind: result.FloorAppend, When: epoch, Bytes: 256, Latency: shape{171e3, .06, 1e-3, 3e5}.draw(2000, uint64(9+i), 1)})
	}
	return run
}

// cells are one trial of an engine: process, sync and recovery under sync.
func (e synthetic) cells(trial int) []*result.Cell {
	return []*result.Cell{
		e.renewal(trial, "orbit-default-closed", "process", e.process),
		e.renewal(trial, "orbit-default-open", "sync", e.sync),
		e.recover(trial),
	}
}

func (e synthetic) cell(trial int, workload, durability, kind string) *result.Cell {
	c := &result.Cell{
		PlanCell: result.PlanCell{
			Key:    fmt.Sprintf("%s-native-%s-%s-%d", e.info.Name, workload, durability, trial),
			Engine: e.info.Name, Workload: workload, Durability: durability, Trial: trial,
		},
		Class: durability, Path: "native", Kind: kind, Status: result.OK, Seed: 42, Started: epoch, Finished: epoch.Add(9 * time.Second),
		Params: result.Params{
			Preset: "orbit-default", Actors: 100_000, ActorTypes: 20, Nodes: 5, LeaseSeconds: 300, RenewSeconds: 150, ValueBytes: 256, Prefill: 1,
			Mix: map[string]float64{"renew": .9, "get": .05, "acquire": .04, "list": .01}, Distribution: "uniform",
			Workers: 64, Loop: "open", RatePerS: 2000, WarmupSeconds: 1, Seconds: 6, MemoryBytes: 256 << 20,
		},
	}
	if why := e.info.WhyNot[durability]; why != "" {
		c.Status, c.Reason, c.Path = result.Skipped, why, ""
	}
	return c
}

func (e synthetic) renewal(trial int, workload, durability string, s shape) *result.Cell {
	c := e.cell(trial, workload, durability, result.KindRenewal)
	if c.Status != result.OK {
		return c
	}
	open := durability == "sync"
	n, offered := 10_800, 2000.0
	if !open {
		n, offered = 60_000, 0
		c.Params.Loop, c.Params.RatePerS, c.Params.Workers, c.Params.Seconds = "closed", 0, 2, 2
	}
	seed := uint64(trial)*1000 + uint64(len(e.info.Name))*17 + uint64(s.median)
	scale := 1 + .04*rand.New(rand.NewPCG(seed, 3)).NormFloat64()
	read := shape{e.read, .3, 1e-4, 2e4}
	ops := []result.OpResult{
		{Op: "renew", Outcome: "ok", Latency: s.draw(n, seed, scale)},
		{Op: "renew", Outcome: "conflict", Latency: s.draw(12, seed+1, scale*.3)},
		{Op: "acquire", Outcome: "ok", Latency: s.draw(n*4/90, seed+2, scale*1.1)},
		{Op: "get", Outcome: "ok", Latency: read.draw(n*5/90, seed+3, scale)},
		{Op: "list", Outcome: "ok", Latency: shape{read.median * 40, .4, 1e-3, 1e5}.draw(n/90, seed+4, scale)},
	}
	if open {
		for i := range ops {
			service := ops[i].Latency
			ops[i].Service = &service
		}
	}
	c.Measure = &result.Measure{Seconds: c.Params.Seconds, OfferedPerS: offered, AchievedPerS: max(offered*.999, 0), Ops: ops}
	if !open {
		c.Measure.AchievedPerS = 2e9 / s.median
	}
	c.Measure.Intervals, c.Spans = e.bySecond(s, uint64(trial), int(c.Params.Seconds), n)
	c.Load = &result.Load{Records: c.Params.Actors, Bytes: 284e5, Seconds: .4, RatePerS: 250e3}
	user := uint64(n) * 284
	c.Resources = &result.Resources{
		CPUPerOpNs:   s.median*.2 + 2500,
		Memory:       result.Memory{ResidentBytes: uint64(e.memory*1e5*scale) + 31e6, HarnessBytes: 31e6, GoHeapBytes: 12e6, GoOtherBytes: 9e6, AnonymousBytes: uint64(e.memory * 5e4), MappedFileBytes: 4e6},
		WrittenBytes: user * 2, DeviceWriteBytes: uint64(float64(user) * e.amplification), UserBytes: user, DiskBytes: uint64(e.amplification*6e6) + 28e6, LiveBytes: 284e5,
	}
	c.Check = &result.Check{ReopenSeconds: .1, Records: c.Params.Actors, Verdict: "ok"}
	return c
}

// bySecond are the seconds of a trial, with a stall in the one in which the
// background work of an engine falls.
func (e synthetic) bySecond(s shape, trial uint64, seconds, n int) (out []result.Interval, spans []result.Span) {
	rng := rand.New(rand.NewPCG(trial, uint64(s.median)))
	busy := rng.IntN(seconds)
	for i := range seconds {
		p50 := s.median * (1 + .05*rng.Float64())
		p99, longest := p50*(1.5+s.sigma*3*rng.Float64()), p50*3+s.size*rng.ExpFloat64()
		if i == busy && e.info.Claim != "Append log" {
			p99, longest = p99*6, longest*8
			spans = append(spans, result.Span{Kind: map[bool]string{true: "compaction", false: "checkpoint"}[e.info.Role == "yardstick"], BeginS: float64(i) + .2, EndS: float64(i) + .9, Bytes: 9e6})
		}
		out = append(out, result.Interval{Second: i, Op: "renew", Count: uint64(n / seconds), P50Ns: int64(p50), P99Ns: int64(p99), MaxNs: int64(max(longest, p99)), Bins: binsBetween(p50, p99, max(longest, p99), uint64(n/seconds))})
	}
	return out, spans
}

// binsBetween are n latencies, half of them about p50, the rest thinning out up to the longest.
func binsBetween(p50, p99, longest float64, n uint64) (out []result.Bin) {
	at := func(ns float64) uint64 { return uint64(math.Log10(ns) * result.BinsPerDecade) }
	for k := at(p50) - 1; k <= at(longest); k++ {
		share := 1 / math.Pow(2, 1+math.Abs(float64(k)-float64(at(p50))))
		if k > at(p99) {
			share = .002
		}
		if count := uint64(share * float64(n)); count > 0 {
			out = append(out, result.Bin{k, count})
		}
	}
	return append(out, result.Bin{at(longest) + 1, 1})
}

func (e synthetic) recover(trial int) *result.Cell {
	c := e.cell(trial, "orbit-default-recovery", "sync", result.KindRecovery)
	if c.Status != result.OK {
		return c
	}
	ns := e.recovery * 1e9 * (1 + .03*float64(trial))
	c.Recovery = &result.Recovery{
		Leases: 100_000, RenewalsSinceLoad: 20_000, Cache: "warm",
		Repetitions: []result.RecoveryTrial{{
			ExecToOpenNs: int64(ns * .95), OpenNs: int64(ns * .9), FirstReadNs: int64(ns), FirstWriteNs: int64(ns * 1.01), Acknowledged: 100_000, DiskBytes: 31e6,
		}},
	}
	return c
}
