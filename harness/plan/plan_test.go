package plan

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"orbitbench/engines"
	"orbitbench/harness/result"
)

// fake is a driver that can be described and configured, and no more.
type fake struct {
	name    string
	classes []engines.Class
	role    engines.Role
}

type fakeConfig struct {
	CacheBytes int  `json:"cache_bytes"`
	Compress   bool `json:"compress"`
}

func (f fake) Info() engines.Info {
	return engines.Info{
		Name: f.name, Role: f.role, Classes: f.classes,
		WhyNot: map[engines.Class]string{engines.Sync: "it has no log", engines.Process: "it has no file"},
	}
}

func (f fake) Configure(o engines.Options) (any, error) {
	c := fakeConfig{CacheBytes: 64}
	if err := f.Info().Supports(o.Durability); err != nil {
		return nil, err
	}
	return c, o.DecodeConfig(&c)
}

func (f fake) Open(context.Context, engines.Options) (engines.Engine, error) {
	return nil, errors.New("a plan opens nothing")
}

func testCatalog() Catalog {
	return Catalog{
		Drivers: []engines.Driver{
			fake{"logstore", engines.Classes(), engines.Candidate},
			fake{"treestore", engines.Classes(), engines.Yardstick},
			fake{"memory", []engines.Class{engines.None}, engines.Baseline},
			fake{"noop", []engines.Class{engines.None}, engines.Baseline},
		},
		Presets: Presets(),
	}
}

func mustExpand(t *testing.T, r Request) *Plan {
	t.Helper()
	p, err := Expand(r, testCatalog())
	require.NoError(t, err)
	return p
}

func writePlan(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "my.toml")
	require.NoError(t, os.WriteFile(path, []byte(text), 0o644))
	return path
}

func TestQuickProfile(t *testing.T) {
	p := mustExpand(t, Request{})
	require.True(t, p.Preview)
	require.Equal(t, []string{"logstore", "treestore", "memory"}, engineNames(p), "noop is no row of the table")
	cells := p.Cells()
	require.Len(t, cells, 3*3, "sync open, process closed, sync recovery for each engine")
	for _, c := range cells {
		if c.Engine == "memory" {
			require.Equal(t, map[string]string{"sync": "it has no log", "process": "it has no file"}[c.PlanCell.Durability], c.Skip)
			require.Zero(t, c.Estimate())
			continue
		}
		require.Empty(t, c.Skip)
		params := c.Workload.Params
		switch c.Durability.Class {
		case engines.Process:
			require.Equal(t, "closed", params.Loop)
			require.LessOrEqual(t, params.Workers, 4)
		case engines.Sync:
			if c.Workload.Kind == result.KindRecovery {
				require.Equal(t, 1, c.Workload.Repetitions)
				continue
			}
			require.Equal(t, "open", params.Loop)
			renewals := params.RatePerS * params.Seconds * params.Mix["renew"]
			require.GreaterOrEqual(t, renewals*0.01, 10.0, "ten renewals above p99")
		}
	}
}

func engineNames(p *Plan) []string {
	var names []string
	for _, e := range p.Engines {
		names = append(names, e.Name)
	}
	return names
}

func TestEveryProfileExpands(t *testing.T) {
	for _, profile := range Profiles() {
		p := mustExpand(t, Request{Profile: profile.Name})
		require.NotEmpty(t, p.Cells(), profile.Name)
		require.Positive(t, p.Estimate())
		require.Positive(t, p.DiskBytes(false))
		require.GreaterOrEqual(t, p.DiskBytes(true), p.DiskBytes(false))
	}
}

func TestCellsAreInterleavedAndStable(t *testing.T) {
	trials, seed := 3, uint64(7)
	p := mustExpand(t, Request{Trials: &trials, Seed: &seed})
	cells := p.Cells()
	block := len(cells) / trials
	for i, c := range cells {
		require.Equal(t, i/block+1, c.Trial, "a trial is a block")
	}
	require.Equal(t, cells, p.Cells(), "the same plan gives the same order")

	keys := map[string]bool{}
	pattern := regexp.MustCompile(`^[a-z0-9+-]+$`)
	for _, c := range cells {
		require.Regexp(t, pattern, c.Key)
		require.False(t, keys[c.Key])
		keys[c.Key] = true
	}
	require.True(t, keys["logstore-best-orbit-default-open-sync-1"])

	other := uint64(8)
	shuffled := mustExpand(t, Request{Trials: &trials, Seed: &other}).Cells()
	require.NotEqual(t, order(cells), order(shuffled), "another seed, another order")
	require.ElementsMatch(t, order(cells), order(shuffled))
}

func order(cells []Cell) []string {
	var keys []string
	for _, c := range cells {
		keys = append(keys, c.Key)
	}
	return keys
}

func TestEnginesOfATrialAreOfferedTheSameLoad(t *testing.T) {
	trials := 2
	seeds := map[string]map[uint64]bool{}
	for _, c := range mustExpand(t, Request{Trials: &trials}).Cells() {
		k := c.Workload.Name + "/" + string(rune('0'+c.Trial))
		if seeds[k] == nil {
			seeds[k] = map[uint64]bool{}
		}
		seeds[k][c.Seed] = true
	}
	all := map[uint64]bool{}
	for k, s := range seeds {
		require.Len(t, s, 1, k)
		for seed := range s {
			require.False(t, all[seed], "workloads and trials have seeds of their own")
			all[seed] = true
		}
	}
}

func TestPrintedPlanReadsBackAsItself(t *testing.T) {
	file := writePlan(t, `
profile = "standard"
seed = 9223372036854775807
trials = 2
engine_names = ["treestore", "logstore"]
durability = ["sync", "interval:10ms"]
[engines.treestore]
cache_bytes = 128
[[workload]]
name = "skewed"
preset = "orbit-default"
distribution = "zipf"
actors = 50
value_bytes = 300
mix = { renew = 0.5, get = 0.5 }
[[workload]]
name = "slow-path"
preset = "k8s-node"
path = "generic"
[[workload]]
name = "kills"
kind = "recovery"
preset = "k8s-node"
repetitions = 3
[[workload]]
name = "cache"
preset = "querycache"
mix = { get = 0.5, put = 0.5 }
[[workload]]
preset = "timeseries"
loop = "closed"
`)
	for _, r := range []Request{{File: file}, {}, {Profile: "full"}} {
		p := mustExpand(t, r)
		printed, err := p.TOML()
		require.NoError(t, err)
		again := mustExpand(t, Request{File: writePlan(t, string(printed))})
		cells, cellsAgain := p.Cells(), again.Cells()
		require.Equal(t, order(cells), order(cellsAgain))
		for i, c := range cellsAgain {
			require.Equal(t, cells[i].Workload, c.Workload)
			require.Equal(t, cells[i].Seed, c.Seed)
		}
		printedAgain, err := again.TOML()
		require.NoError(t, err)
		require.Equal(t, string(printed), string(printedAgain))
	}
	p := mustExpand(t, Request{File: file})
	require.Equal(t, map[string]any{"cache_bytes": 128.0, "compress": false}, p.Engines[0].Effective["sync"])
	require.InDelta(t, 0.99, p.Workloads[0].Params.ZipfS, 1e-9)
	require.Equal(t, "generic", p.Workloads[1].Path)
}

func TestFlagsStandOverFileOverProfile(t *testing.T) {
	file := writePlan(t, "trials = 5\nseed = 9\n[[workload]]\npreset = \"k8s-node\"\nrate_per_s = 10\n")
	trials, rate := 2, 33.0
	p := mustExpand(t, Request{File: file, Trials: &trials, RatePerS: &rate, Engines: []string{"logstore"}, Path: "generic"})
	require.Equal(t, 2, p.Trials)
	require.EqualValues(t, 9, p.Seed)
	require.Equal(t, 33.0, p.Workloads[0].Params.RatePerS)
	require.Equal(t, "generic", p.Workloads[0].Path)
	require.Equal(t, quickSeconds, p.Workloads[0].Params.Seconds, "the profile's time, where neither says")
}

func TestWorkloadSelection(t *testing.T) {
	names := func(r Request) (names []string) {
		for _, w := range mustExpand(t, r).Workloads {
			names = append(names, w.Name)
		}
		return names
	}
	require.Equal(t, []string{"k8s-node-open", "k8s-node-closed", "k8s-node-recovery"}, names(Request{Workloads: []string{"k8s-node"}}))
	require.Equal(t, []string{"k8s-node-recovery"}, names(Request{Workloads: []string{"k8s-node-recovery"}}))
	require.Equal(t, []string{"orbit-default-closed"}, names(Request{Durability: []string{"none"}}))
	require.Equal(t, []string{"nodes-open", "nodes-closed"}, names(Request{Workloads: []string{"nodes"}}), "only leases are recovered")
	require.Equal(t, []string{"querycache-closed", "timeseries-open"}, names(Request{Workloads: []string{"querycache-closed", "timeseries-open"}}))
	for _, w := range mustExpand(t, Request{Workloads: []string{"nodes-k8s", "querycache", "timeseries"}}).Workloads {
		require.Equal(t, w.Params.Store, w.Kind)
	}
	p := mustExpand(t, Request{Workloads: []string{"k8s-node-open"}})
	require.Equal(t, 500.0, p.Workloads[0].Params.RatePerS, "a preset that was asked for keeps its rate")
}

// Each bad input gives one line that says what was wrong, where, and what
// would be right.
func TestBadInput(t *testing.T) {
	negative, zero, rate, huge := -5.0, 0, -2000.0, uint64(1<<63)
	for name, c := range map[string]struct {
		request Request
		file    string
		want    []string
	}{
		"unknown profile":        {request: Request{Profile: "quik"}, want: []string{`--profile: unknown profile "quik"`, `did you mean "quick"`}},
		"unknown engine":         {request: Request{Engines: []string{"logstor"}}, want: []string{`--engines: unknown engine "logstor"`, `did you mean "logstore"`}},
		"engine twice":           {request: Request{Engines: []string{"logstore", "logstore"}}, want: []string{"named twice"}},
		"unknown preset":         {request: Request{Workloads: []string{"orbit-defalt"}}, want: []string{"--workloads", `did you mean "orbit-default"`}},
		"recovery of a store":    {request: Request{Workloads: []string{"nodes-recovery"}}, want: []string{"only leases are recovered after a kill", "nodes-open or nodes-closed"}},
		"a store's kind":         {file: "[[workload]]\npreset = \"nodes\"\nkind = \"recovery\"\n", want: []string{":3:1:", "kind of workload", "want one of nodes"}},
		"a store's operations":   {file: "[[workload]]\npreset = \"timeseries\"\nmix = { renew = 1.0 }\n", want: []string{":3:1:", "operation in the mix", "append, range"}},
		"unknown class":          {request: Request{Durability: []string{"forever"}}, want: []string{`--durability: durability "forever"`, "interval:10ms"}},
		"impossible class":       {request: Request{Engines: []string{"memory"}, Durability: []string{"sync"}}, want: []string{"no engine of the plan can honour it", "memory: it has no log"}},
		"negative rate":          {request: Request{RatePerS: &rate}, want: []string{"--rate: rate is -2000/s: want more than 0"}},
		"no time":                {request: Request{Seconds: &negative}, want: []string{"--seconds", "want more than 0"}},
		"no workers":             {request: Request{Workers: &zero}, want: []string{"--workers: workers is 0"}},
		"no trials":              {request: Request{Trials: &zero}, want: []string{"--trials: 0 trials"}},
		"huge seed":              {request: Request{Seed: &huge}, want: []string{"--seed", "want at most"}},
		"no actors":              {request: Request{Actors: &zero}, want: []string{"--actors: actors is 0"}},
		"rate without open loop": {request: Request{RatePerS: new(float64), Durability: []string{"none"}}, want: []string{"no open-loop workload"}},
		"unknown path":           {request: Request{Path: "genric"}, want: []string{`--path: unknown path "genric"`}},
		"missing file":           {request: Request{File: "/does/not/exist.toml"}, want: []string{"/does/not/exist.toml", "no such file"}},

		"unknown key":          {file: "trails = 3\n", want: []string{"my.toml:1:1", `unknown key "trails"`, `did you mean "trials"`}},
		"unknown workload key": {file: "[[workload]]\npreset = \"k8s-node\"\n\n[[workload]]\n  preset = \"k8s-node\"\n  rate_per_sec = 5\n", want: []string{"my.toml:6:3", `did you mean "rate_per_s"`}},
		"unknown table":        {file: "[workloads]\n", want: []string{"my.toml:1:2", `did you mean "workload"`}},
		"engines as a list":    {file: "engines = [\"logstore\"]\n", want: []string{"my.toml:1:", "engine_names"}},
		"wrong type":           {file: "seed = 1\ntrials = \"many\"\n", want: []string{"my.toml:2:10", "trials"}},
		"syntax":               {file: "seed = = 1\n", want: []string{"my.toml:1:8"}},
		"unknown file engine":  {file: "[engines.treestor]\nx = 1\n", want: []string{"my.toml:1:2", `did you mean "treestore"`}},
		"unknown option":       {file: "[engines.treestore]\ncompress = true\ncache_byte = 1\n", want: []string{"my.toml:3:1", `"cache_byte"`, `did you mean "cache_bytes"`}},
		"option of wrong type": {file: "[engines.treestore]\ncache_bytes = \"big\"\n", want: []string{"my.toml:1:2", "cache_bytes"}},
		"file negative rate":   {file: "[[workload]]\npreset = \"k8s-node\"\nrate_per_s = -1\n", want: []string{"my.toml:3:1", "rate is -1/s"}},
		"mix sum":              {file: "[[workload]]\npreset = \"k8s-node\"\nmix = { renew = 0.5 }\n", want: []string{"my.toml:3:1", "sum to 0.5"}},
		"mix operation":        {file: "[[workload]]\npreset = \"k8s-node\"\n[workload.mix]\nrenews = 1\n", want: []string{"my.toml:4:1", `did you mean "renew"`}},
		"negative share":       {file: "[[workload]]\npreset = \"k8s-node\"\nmix = { renew = -1, get = 2 }\n", want: []string{"my.toml:3", "-1"}},
		"tiny value":           {file: "[[workload]]\npreset = \"k8s-node\"\nvalue_bytes = 1\n", want: []string{"my.toml:3:1", "value_bytes is 1"}},
		"no preset":            {file: "[[workload]]\nname = \"x\"\n", want: []string{"my.toml:1:3", "want preset"}},
		"bad name":             {file: "[[workload]]\npreset = \"k8s-node\"\nname = \"a/b\"\n", want: []string{"my.toml:3:1", `"a/b"`}},
		"name twice":           {file: "[[workload]]\npreset = \"k8s-node\"\n[[workload]]\npreset = \"k8s-node\"\n", want: []string{"my.toml:3:3", "stands twice"}},
		"recovery in none":     {file: "[[workload]]\npreset = \"k8s-node\"\nkind = \"recovery\"\ndurability = [\"none\"]\n", want: []string{"my.toml:4:1", "nothing survives"}},
		"closed with rate":     {file: "[[workload]]\npreset = \"k8s-node\"\nloop = \"closed\"\nrate_per_s = 4\n", want: []string{"my.toml:4:1", "closed loop"}},
		"unknown loop":         {file: "[[workload]]\npreset = \"k8s-node\"\nloop = \"opened\"\n", want: []string{"my.toml:3:1", `did you mean "open"`}},
	} {
		t.Run(name, func(t *testing.T) {
			r := c.request
			if c.file != "" {
				r.File = writePlan(t, c.file)
			}
			_, err := Expand(r, testCatalog())
			require.Error(t, err)
			require.NotContains(t, err.Error(), "\n", "one line")
			for _, want := range c.want {
				require.Contains(t, err.Error(), want)
			}
		})
	}
}

func TestNearest(t *testing.T) {
	require.Equal(t, "renew", nearest("renwe", []string{"get", "renew"}))
	require.Empty(t, nearest("zzzzzz", []string{"get", "renew"}))
	require.Equal(t, 3, distance("kitten", "sitting"))
}

func FuzzFile(f *testing.F) {
	f.Add("trials = 3\n[[workload]]\npreset = \"k8s-node\"\n")
	f.Add("[engines.\"a.b\"]\nx = 1\n[[workload]]\n[workload.mix]\nrenew = 1.0\n")
	f.Add("a = [\n1,\n]\n\"\" = 1\n[[x]]\n[x.y]\n")
	f.Fuzz(func(t *testing.T, text string) {
		file, err := decodeFile("f.toml", []byte(text))
		if err != nil {
			if !strings.HasPrefix(err.Error(), "f.toml") {
				t.Fatalf("the error does not name the file: %v", err)
			}
			return
		}
		if file == nil {
			t.Fatal("neither a plan nor an error")
		}
	})
}
