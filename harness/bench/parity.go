package bench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"orbitbench/engines"
)

// Parity (P17): an engine through this harness beside the same engine through
// the benchmark of its own authors. Both begin with an empty store in a directory
// of their own on the same device, put records of the same size under random
// keys, with as many threads and a sync for each, for as long, in the same round.
// What the harness adds (versions, a checksum of what is held, a histogram) is
// part of its figure.

// pebbleKeyBytes are those of a key of `pebble bench sync`, which cannot be
// chosen: its values are as much longer, so that a record is as long as ours.
const pebbleKeyBytes = 5

// tool is the benchmark of an engine's authors.
type tool struct {
	program string // looked up in PATH
	title   string
	args    func(dir string, threads int, seconds float64) []string
	parse   func(output string) (perSecond float64, err error)
	install string // how to get it
}

// tools by engine.
var tools = map[string]tool{
	"pebble": {
		program: "pebble", title: "pebble bench sync",
		args: func(dir string, threads int, seconds float64) []string {
			return []string{"bench", "sync", dir, "-c", strconv.Itoa(threads), "-d", fmt.Sprintf("%.3fs", seconds),
				"--batch", "1", "--values", strconv.Itoa(recordBytes + keyBytes - pebbleKeyBytes)}
		},
		parse:   parsePebble,
		install: "go install github.com/cockroachdb/pebble/v2/cmd/pebble@v2.1.7",
	},
	"rocksdb": {
		program: "db_bench", title: "db_bench fillsync",
		args: func(dir string, threads int, seconds float64) []string {
			// db_bench counts whole seconds. num bounds the keys, and fillsync divides it by 1000.
			return []string{"--benchmarks=fillsync", "--db=" + dir, "--threads=" + strconv.Itoa(threads),
				fmt.Sprintf("--duration=%.0f", max(1, seconds)), "--num=100000000",
				"--key_size=" + strconv.Itoa(keyBytes), "--value_size=" + strconv.Itoa(recordBytes), "--compression_type=snappy"}
		},
		parse:   parseDBBench,
		install: "apt-get install rocksdb-tools",
	},
}

// paritySeconds is the least that a turn of either takes: a benchmark of others
// counts in seconds.
const paritySeconds = 2.0

// toolLimit bounds what a tool may take beside its time.
const toolLimit = 2 * time.Minute

var errNoFigure = errors.New("no figure in its output")

// parsePebble reads the cumulative line of `pebble bench sync`: below the head
// "_elapsed___ops(total)_ops/sec(cum)..." the third field.
func parsePebble(output string) (float64, error) {
	lines := strings.Split(output, "\n")
	for i, l := range lines {
		if !strings.HasPrefix(l, "_elapsed___ops(total)_ops/sec(cum)") || i+1 == len(lines) {
			continue
		}
		fields := strings.Fields(lines[i+1])
		if len(fields) < 3 {
			return 0, errNoFigure
		}
		return positive(fields[2])
	}
	return 0, errNoFigure
}

var dbBenchLine = regexp.MustCompile(`(?m)^fillsync\s*:.*?([0-9.]+) ops/sec`)

// parseDBBench reads the line "fillsync : 100.0 micros/op 7870 ops/sec ...".
func parseDBBench(output string) (float64, error) {
	m := dbBenchLine.FindStringSubmatch(output)
	if m == nil {
		return 0, errNoFigure
	}
	return positive(m[1])
}

func positive(s string) (float64, error) {
	v, err := strconv.ParseFloat(s, 64)
	if err != nil || !(v > 0) {
		return 0, fmt.Errorf("%w: %q operations a second", errNoFigure, s)
	}
	return v, nil
}

// measureTool gives the tool of p's engine a turn.
func (b *bench) measureTool(ctx context.Context, p point) (s sample, err error) {
	t := tools[p.engine]
	root, err := os.MkdirTemp(b.o.DataDir, "tool-")
	if err != nil {
		return s, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(root)) }()
	if root, err = filepath.Abs(root); err != nil { // the tool has it as its working directory
		return s, err
	}
	seconds := b.paritySeconds()
	limit, cancel := context.WithTimeout(ctx, toolLimit+time.Duration(seconds*float64(time.Second)))
	defer cancel()
	cmd := exec.CommandContext(limit, t.program, t.args(filepath.Join(root, "db"), p.workers, seconds)...)
	cmd.Dir = root
	raw, err := cmd.CombinedOutput()
	switch {
	case ctx.Err() != nil:
		return s, ctx.Err()
	case err != nil:
		return s, &engineError{what: fmt.Sprintf("%s: %v: %s", t.title, err, lastLine(string(raw)))}
	}
	perSecond, err := t.parse(string(raw))
	if err != nil {
		return s, &engineError{what: fmt.Sprintf("%s: %v", t.title, err)}
	}
	return sample{ops: max(1, uint64(perSecond*seconds)), nsPerOp: 1e9 / perSecond}, nil
}

func lastLine(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return lines[len(lines)-1]
}

func (b *bench) paritySeconds() float64 { return max(paritySeconds, b.o.Slice.Seconds()) }

// measurePut puts records into an empty store of p's engine.
func (b *bench) measurePut(ctx context.Context, p point, round int) (s sample, err error) {
	root, err := os.MkdirTemp(b.o.DataDir, "put-")
	if err != nil {
		return s, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(root)) }()
	var driver engines.Driver
	for _, d := range b.o.Drivers {
		if d.Info().Name == p.engine {
			driver = d
		}
	}
	e, err := driver.Open(ctx, engines.Options{Dir: filepath.Join(root, "store"), Durability: p.dur})
	if err != nil {
		return s, &engineError{what: err.Error(), unsupported: errors.Is(err, engines.ErrUnsupported)}
	}
	defer func() { err = errors.Join(err, e.Close()) }()
	a := newActors(p.actors, b.o.Seed, time.Now())
	// No run-in: the tools have none either.
	l := &loop{slice: time.Duration(b.paritySeconds() * float64(time.Second)), stats: e.Stats, device: b.device}
	for i := range p.workers {
		l.workers = append(l.workers, &putter{
			ctx: ctx, engine: e, actors: a, value: leaseRecord(a.now),
			choose: newChooser(len(a.slots), nil, b.o.Seed+uint64(round)<<32, uint64(i)),
		})
	}
	return l.run(ctx)
}

// putter writes whole records without a condition.
type putter struct {
	ctx    context.Context
	engine engines.Engine
	actors *actors
	choose *chooser
	value  []byte
	batch  engines.Batch
}

func (w *putter) step() (bool, error) {
	w.batch.Reset()
	w.batch.Put(engines.Leases, w.actors.slots[w.choose.draw()].key[:], w.value)
	if err := w.engine.Apply(w.ctx, &w.batch); err != nil {
		return false, err
	}
	return true, nil
}

// addTool adds the tool beside which a put is measured, or notes why not.
func (p *plan) addTool(pt point, engine string) {
	t, ok := tools[engine]
	if !ok {
		return
	}
	if _, err := exec.LookPath(t.program); err != nil {
		p.note("%s of %s: there is no program %s in PATH (%s; make parity installs it)", t.title, engine, t.program, t.install)
		return
	}
	p.section(toolKind).add(point{kind: toolKind, engine: engine, dur: pt.dur, workers: pt.workers})
}

// speedOverTool is the throughput over that of the engine's own tool.
func speedOverTool(r round, p point) (float64, error) {
	t, ok := r[point{kind: toolKind, engine: p.engine, dur: p.dur, workers: p.workers}]
	if !ok {
		return 0, missing(tools[p.engine].title)
	}
	return t.nsPerOp / r[p].nsPerOp, nil
}
