package bench

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"slices"
	"time"

	"orbitbench/engines"
	"orbitbench/harness/cell"
	"orbitbench/harness/floor"
	"orbitbench/harness/procstat"
)

// Run measures and judges as o says. Benchmark lines go to o.Stdout as each
// round is complete; progress, notes and the table of targets go to o.Stderr.
// A context that ends stops it within one operation; what complete rounds show
// is judged, and the error is ctx.Err(). Errors in o are ErrUsage. A target that
// is not reached is no error. GOMAXPROCS is Procs while it runs.
func Run(ctx context.Context, o Options) (err error) {
	o, err = o.withDefaults()
	if err != nil {
		return err
	}
	plan := makePlan(o)
	if plan.empty() {
		return fmt.Errorf("%w: nothing to measure with these engines: %v", ErrUsage, plan.notes)
	}
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(Procs))
	b := &bench{o: o, plan: plan}
	b.o.DataDir, err = os.MkdirTemp(o.DataDir, "bench-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.close()) }()
	b.progress("%s", plan.estimate(o))
	if err := printHeader(o.Stdout); err != nil {
		return err
	}
	runErr := b.sections(ctx)
	return errors.Join(runErr, printTables(o.Stderr, b.o, b.done, &b.others))
}

// bench is a run under way.
type bench struct {
	o           Options
	plan        *plan
	competitors map[competitorID]*competitor
	maps        map[int]*mapRenewer // by actors; the chooser is set for each slice
	floor       *floor.Writer
	rig         *cell.Rig // of the harness' own points
	device      *procstat.Device
	apart       *apart
	others      others
	done        []sectionDone
}

// sectionDone is what a section has given.
type sectionDone struct {
	section
	zipf bool
	done []round
}

// competitorID is what decides that two points share an open engine.
type competitorID struct {
	engine string
	dur    engines.Durability
	actors int
}

func (p point) competitor() competitorID { return competitorID{p.engine, p.dur, p.actors} }

func (b *bench) progress(format string, args ...any) {
	fmt.Fprintf(b.o.Stderr, format+"\n", args...) // progress that cannot be shown is no reason to stop
}

// sections runs one section after the other. What went wrong with one engine in
// a process of its own is reported at the end.
func (b *bench) sections(ctx context.Context) error {
	for _, n := range b.plan.notes {
		b.progress("left out: %s", n)
	}
	var failures []error
	for i := range b.plan.sections {
		if len(b.plan.sections[i].points) == 0 {
			continue
		}
		if err := b.prepare(ctx, i); err != nil {
			return err
		}
		done := sectionDone{section: b.plan.sections[i], zipf: b.plan.zipf}
		failed, err := b.rounds(ctx, &done)
		failures = append(failures, failed...)
		b.done = append(b.done, done)
		if err != nil {
			if len(done.done) > 0 {
				b.progress("stopped after %d of %d rounds of %s: %v", len(done.done), done.rounds, done.title, err)
			}
			return errors.Join(append(failures, err)...)
		}
		if err := b.closeSection(); err != nil {
			return err
		}
	}
	return errors.Join(failures...)
}

// rounds runs every round of a section, each in an order of its own, and
// returns what failed without ending the run.
func (b *bench) rounds(ctx context.Context, s *sectionDone) (failures []error, err error) {
	begin := time.Now()
	order := slices.Clone(s.points)
	failed := map[point]bool{}
	for n := range s.rounds {
		rng := rand.New(rand.NewPCG(b.o.Seed, uint64(n)))
		rng.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
		r := round{}
		for _, p := range order {
			if failed[p] {
				continue
			}
			sample, err := b.turn(ctx, p, n)
			var engine *engineError
			switch {
			case errors.Is(err, errStalled), errors.Is(err, errVoid):
				b.progress("round %d: %s is left out: %v", n+1, p.name(), err)
			case errors.As(err, &engine) && ctx.Err() == nil:
				failed[p] = true
				b.progress("left out: %s: %v", p.name(), err)
				if !engine.unsupported {
					failures = append(failures, fmt.Errorf("%s: %w", p.name(), err))
				}
			case err != nil:
				return failures, fmt.Errorf("%s: %w", p.name(), err)
			default:
				r[p] = sample
			}
		}
		if err := printRound(b.o.Stdout, s, r); err != nil {
			return failures, err
		}
		s.done = append(s.done, r)
		b.progress("round %d of %d of %s done after %.0f s", n+1, s.rounds, s.title, time.Since(begin).Seconds())
	}
	return failures, nil
}

// turn gives p its turn in a round, once the turn before it has come to rest.
func (b *bench) turn(ctx context.Context, p point, round int) (sample, error) {
	if !settle(ctx) && ctx.Err() == nil {
		b.progress("round %d: background work did not end within %v before %s", round+1, settleLimit, p.name())
	}
	b.others.start()
	defer b.others.stop()
	switch {
	case p.kind == harnessKind:
		return b.measureHarness(ctx, p)
	case p.kind == checkpointKind:
		return b.measureCheckpoint(ctx, p, round)
	case p.kind == putKind:
		return b.measurePut(ctx, p, round)
	case p.kind == toolKind:
		return b.measureTool(ctx, p)
	case p.kind == openKind:
		return b.apart.measureOpen(ctx, p)
	case p.kind.apart():
		return b.apart.measure(ctx, p)
	}
	return b.loop(ctx, p, round).run(ctx)
}

// loop is the closed loop that measures p.
func (b *bench) loop(ctx context.Context, p point, round int) *loop {
	l := &loop{slice: b.o.Slice, lead: max(b.o.Slice/10, 5*time.Millisecond)}
	switch p.kind {
	case floorKind:
		l.workers = []worker{floorWorker{b.floor}}
	case idealKind:
		l.workers, l.opsPerStep = []worker{floorWorker{b.floor}}, p.workers
	case mapKind:
		w := *b.maps[p.actors]
		w.choose = b.mapChooser(p.actors, round)
		l.workers, l.sampled = []worker{&w}, true
	case renewKind, getKind, checkpointKind:
		c := b.competitors[p.competitor()]
		l.stats = c.engine.Stats
		if p.kind == renewKind && p.dur.Class == engines.Sync {
			l.device = b.device
		}
		// Under sync and interval a clock reading is nothing beside a wait for the
		// device; elsewhere it is a good part of an operation.
		l.sampled = p.kind == getKind || p.dur.Class != engines.Sync
		for i := range p.workers {
			switch {
			case p.kind == getKind:
				l.workers = append(l.workers, c.getter(ctx, i, round))
			case p.full:
				l.workers = append(l.workers, c.fullRenewer(ctx, i, round))
			default:
				l.workers = append(l.workers, c.renewer(ctx, i, round))
			}
		}
	}
	return l
}

func (b *bench) mapChooser(n, round int) *chooser {
	var zipf []uint32
	if b.o.ZipfS != 0 {
		zipf = zipfList(n, b.o.ZipfS, b.o.Seed)
	}
	return newChooser(n, zipf, b.o.Seed+uint64(round)<<32, 0)
}

// floorWorker makes durable writes with nothing around them.
type floorWorker struct{ w *floor.Writer }

func (f floorWorker) step() (bool, error) {
	if err := f.w.Write(); err != nil {
		return false, err
	}
	return true, nil
}
