package bench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"orbitbench/engines"
	"orbitbench/harness/cell"
	"orbitbench/harness/child"
	"orbitbench/harness/result"
	"orbitbench/workloads"
)

// The open loop of P15.
const (
	openRate    = 80_000 // renewals a second
	openWorkers = 256    // more than wait for the device at once at that rate, for an engine that holds it
	paceWorkers = 8      // of the generator's own rows, where nothing waits
	openSeconds = 5.0
	openWarmup  = 1.0
)

// openLoop is what an open loop has beside its latencies.
type openLoop struct {
	offered, achieved float64 // operations/s
	lagP50, lagP99    float64 // of the generator, ns
}

// errVoid: the machine, and not the engine, decided the figures of a turn.
var errVoid = errors.New("not a valid measurement")

// cellVerb is the hidden verb of a run's own cells: the open loop is one of
// those, with the pacer, the process and the check that they have.
const cellVerb = "cell"

// measureOpen runs renewals as they fall due, in a process and a store of their own.
func (a *apart) measureOpen(ctx context.Context, p point) (s sample, err error) {
	dir, err := os.MkdirTemp(a.dir, "open-")
	if err != nil {
		return s, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	work := filepath.Join(dir, "cell")
	if err := os.Mkdir(work, 0o755); err != nil {
		return s, err
	}
	c, err := a.askCell(ctx, openSpec(p, a.seed, work, a.openSeconds))
	if err != nil {
		return s, err
	}
	return openSample(c)
}

// openSpec is the cell that a point stands for.
func openSpec(p point, seed uint64, dir string, seconds float64) cell.Spec {
	s := cell.Spec{
		Plan: result.PlanCell{Key: "open", Engine: p.engine, Workload: "open", Durability: p.dur.String(), Trial: 1},
		Kind: result.KindRenewal, Durability: p.dur, Seed: seed, Dir: dir,
		Params: result.Params{
			Actors: p.actors, ActorTypes: 20, Nodes: 10, LeaseSeconds: leaseTime.Seconds(), ValueBytes: recordBytes, Prefill: 1,
			Mix: map[string]float64{workloads.Renew.String(): 1}, Distribution: workloads.Uniform,
			Loop: workloads.Open, RatePerS: float64(p.rate), Workers: p.workers, WarmupSeconds: min(openWarmup, seconds/2), Seconds: seconds,
			MemoryBytes: engines.DefaultMemoryBytes,
		},
	}
	return s
}

// askCell runs one cell in a process of its own.
func (a *apart) askCell(ctx context.Context, s cell.Spec) (c *result.Cell, err error) {
	limit, cancel := context.WithTimeout(ctx, childLimit(s.Params.Actors)+time.Duration(2*s.Params.Seconds*float64(time.Second)))
	defer cancel()
	p, err := child.Start(limit, []string{cellVerb}, s)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, p.Kill()) }()
	for {
		var m cell.Message
		switch err := p.Decode(&m); {
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case err != nil:
			return nil, &engineError{what: err.Error()}
		case m.Cell == nil:
			continue // progress
		case m.Cell.Status != result.OK:
			return nil, &engineError{what: m.Cell.Reason, unsupported: m.Cell.Status == result.Skipped}
		}
		return m.Cell, nil
	}
}

// openSample takes the figures of a cell. One that the machine voided has none.
func openSample(c *result.Cell) (s sample, err error) {
	if c.Validity.Voided() {
		return s, fmt.Errorf("%w: %s", errVoid, c.Validity.Text())
	}
	m := c.Measure
	s.open = openLoop{offered: m.OfferedPerS, achieved: m.AchievedPerS}
	if m.Lag != nil {
		s.open.lagP50, s.open.lagP99 = float64(m.Lag.P50Ns), float64(m.Lag.P99Ns)
	}
	for _, o := range m.Ops {
		if o.Op == workloads.Renew.String() && o.Outcome == "ok" {
			s.ops, s.p50, s.p99, s.p999 = o.Latency.Count, float64(o.Latency.P50Ns), float64(o.Latency.P99Ns), float64(o.Latency.P999Ns)
		}
	}
	if s.ops == 0 || m.AchievedPerS <= 0 {
		return s, fmt.Errorf("%w: no renewal succeeded", errVoid)
	}
	s.nsPerOp = 1e9 / m.AchievedPerS
	return s, nil
}

func achievedOverOffered(r round, p point) (float64, error) {
	return r[p].open.achieved / r[p].open.offered, nil
}

// lagP99Us is how late the generator was, in us.
func lagP99Us(r round, p point) (float64, error) { return r[p].open.lagP99 / 1e3, nil }

func p99Ms(r round, p point) (float64, error) { return r[p].p99 / 1e6, nil }
