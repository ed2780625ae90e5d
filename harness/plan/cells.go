package plan

import (
	"hash/fnv"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"

	"orbitbench/engines"
	"orbitbench/harness/result"
	"orbitbench/workloads"
)

// Cell is one engine under one workload and durability, once.
type Cell struct {
	result.PlanCell
	Workload   Workload
	Durability engines.Durability
	Config     map[string]any // the engine's options
	Seed       uint64         // of the workload: the same for every engine of a trial, so that they are offered the same load
	Skip       string         // why the cell cannot be run; "" if it can
	Confirm    bool           // of a capacity: one rate with its leases loaded, and no search
}

// Cells returns every cell in the order in which they run. Each trial is a
// block; within a block the order is random, by the seed of the plan.
func (p *Plan) Cells() []Cell {
	rng := rand.New(rand.NewPCG(p.Seed, 0x6f72626974)) // any fixed second word will do
	var all []Cell
	for trial := 1; trial <= p.Trials; trial++ {
		block := p.block(trial)
		rng.Shuffle(len(block), func(i, j int) { block[i], block[j] = block[j], block[i] })
		all = append(all, block...)
	}
	return all
}

func (p *Plan) block(trial int) []Cell {
	var block []Cell
	for _, w := range p.Workloads {
		for _, d := range w.Durability {
			for _, e := range p.Engines {
				c := Cell{
					PlanCell: result.PlanCell{
						Key:        key(e.Name, w, d, trial),
						Engine:     e.Name,
						Workload:   w.Name,
						Durability: d.String(),
						Trial:      trial,
					},
					Workload:   w,
					Durability: d,
					Config:     e.Options,
					Seed:       cellSeed(p.Seed, w.Name, trial),
					Skip:       e.Skip[d.String()],
				}
				block = append(block, c)
				if e.Name == p.Control && w.controlled() && c.Skip == "" {
					block = append(block, c.control())
				}
			}
		}
	}
	return block
}

// key is engine-path-workload-durability-trial. It is a file name and stays
// the same from run to run.
func key(engine string, w Workload, d engines.Durability, trial int) string {
	path := w.Path
	if path == "" {
		path = PathBest
	}
	durability := strings.NewReplacer(":", "-", "µ", "u").Replace(d.String())
	return strings.Join([]string{engine, path, w.Name, durability, strconv.Itoa(trial)}, "-")
}

func cellSeed(seed uint64, workload string, trial int) uint64 {
	h := fnv.New64a()
	h.Write([]byte(strconv.FormatUint(seed, 10) + "/" + workload + "/" + strconv.Itoa(trial))) // never fails
	return h.Sum64()
}

// Rates behind the estimates. They are cautious guesses for a small machine
// and serve for a progress bar, a time limit and a disk check only.
const (
	loadPerS      = 60_000 // records a second of the bulk load, and of the check after it
	startSeconds  = 0.8    // process start, open, close, reopen
	killSeconds   = 1.5    // one kill, recovery and verification, beside the load
	floorSeconds  = 0.6    // both probes of the device before a cell
	traceSeconds  = 0.6    // verification of one engine's promise, once a class
	recordExtra   = 160    // bytes of a key, its index records and their headers
	closedOpsPerS = 250_000
)

// FloorTime is how long each probe of the device takes.
const FloorTime = 250 * time.Millisecond

// Estimate is about how long the cell takes.
func (c Cell) Estimate() time.Duration {
	if c.Skip != "" {
		return 0
	}
	p := c.Workload.Params
	load := float64(residents(p)) / loadPerS
	s := startSeconds + floorSeconds + load
	switch {
	case c.Workload.Kind == result.KindCurve:
		s += c.Workload.Curve.seconds(c.Workload.Repetitions, load)
	case c.Workload.recovery():
		s += float64(c.Workload.Repetitions) * (killSeconds + load)
	case c.Workload.Kind == result.KindCapacity && !c.Confirm:
		s += searchProbes*(p.Seconds+probeExtra) + load
	default:
		s += p.WarmupSeconds + p.Seconds + load
	}
	return time.Duration(s * float64(time.Second))
}

// Timeout is when a cell counts as hung: many times its estimate, because a
// slow cell is a result.
func (c Cell) Timeout() time.Duration { return 90*time.Second + 8*c.Estimate() }

// DiskBytes is about how much disk the cell can need at most: the records, a
// checkpoint of them beside the old one, and the log that was not cut yet.
func (c Cell) DiskBytes() uint64 {
	if c.Skip != "" {
		return 0
	}
	p := c.Workload.Params
	record := float64(p.ValueBytes + recordExtra)
	writes := 0.0
	switch {
	case c.Workload.Kind == result.KindCurve: // the store, its copies' too, and their logs
		writes = 4*float64(p.Actors) + 3*float64(c.Workload.Curve.LogRenewals)
	case c.Workload.Kind == result.KindCapacity && !c.Confirm:
		// Each rate of a search is at most a few times the one before, and most lie below its bound: half of them at the bound is more than enough.
		writes = searchProbes / 2 * (p.Seconds + probeExtra) * float64(c.Workload.Capacity.MaxLeases) / p.RenewSeconds
	case !c.Workload.recovery():
		rate := p.RatePerS
		if p.Loop == workloads.Closed {
			rate = closedOpsPerS
		}
		writes = rate * (p.WarmupSeconds + p.Seconds) * (1 - p.Mix["get"] - p.Mix["list"] - p.Mix["range"])
	}
	return uint64(record * (4*float64(max(p.Actors, residents(p))) + writes))
}

// residents is how many records are stored before the load.
func residents(p result.Params) int {
	w := workloads.Params(p)
	return w.Residents()
}

// Estimate is about how long the run takes.
func (p *Plan) Estimate() time.Duration {
	total := 3 * time.Second // the harness on the no-op engine
	traced := map[[2]string]bool{}
	for _, c := range p.Cells() {
		total += c.Estimate()
		if c.Skip == "" {
			traced[[2]string{c.Engine, c.PlanCell.Durability}] = true
		}
	}
	return total + p.confirmTime() + time.Duration(float64(len(traced))*traceSeconds*float64(time.Second))
}

// DiskBytes is the most that any one cell can need; each cell's data is
// removed before the next, unless it is kept.
func (p *Plan) DiskBytes(keep bool) uint64 {
	var most, sum uint64
	for _, c := range p.Cells() {
		most = max(most, c.DiskBytes())
		sum += c.DiskBytes()
	}
	if keep {
		return sum
	}
	return most
}
