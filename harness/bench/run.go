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
	"orbitbench/harness/result"
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
	if len(plan.points) == 0 {
		return fmt.Errorf("%w: nothing to measure with these engines: %v", ErrUsage, plan.notes)
	}
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(Procs))
	b := &bench{o: o, plan: plan}
	b.o.DataDir, err = os.MkdirTemp(o.DataDir, "bench-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.close()) }()
	if err := b.prepare(ctx); err != nil {
		return err
	}
	if err := printHeader(o.Stdout); err != nil {
		return err
	}
	runErr := b.rounds(ctx)
	if runErr != nil && len(b.done) > 0 {
		b.progress("stopped after %d of %d rounds: %v", len(b.done), o.Rounds, runErr)
	}
	return errors.Join(runErr, printTables(o.Stderr, b.o, plan, b.done, &b.others))
}

// bench is a run under way.
type bench struct {
	o           Options
	plan        *plan
	competitors map[competitorID]*competitor
	maps        map[int]*mapRenewer // by actors; the chooser is set for each slice
	floor       *floor.Writer
	rig         *cell.Rig // of the harness' own points
	others      others
	done        []round
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

// prepare opens, loads and warms whatever the points need, in their order.
func (b *bench) prepare(ctx context.Context) error {
	b.competitors = map[competitorID]*competitor{}
	b.maps = map[int]*mapRenewer{}
	for _, n := range b.plan.notes {
		b.progress("left out: %s", n)
	}
	for _, p := range b.plan.points {
		var err error
		switch p.kind {
		case floorKind, idealKind:
			err = b.openFloor()
		case mapKind:
			b.openMap(p.actors)
		case renewKind, getKind:
			err = b.openCompetitor(ctx, p.competitor())
		case harnessKind:
			err = b.openRig(ctx)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (b *bench) openFloor() (err error) {
	if b.floor == nil {
		b.floor, err = floor.Open(floor.Options{Dir: b.o.DataDir, Kind: result.FloorOverwrite})
	}
	return err
}

func (b *bench) openMap(n int) {
	if b.maps[n] == nil {
		a := newActors(n, b.o.Seed, time.Now())
		b.maps[n] = &mapRenewer{m: newShardMap(a), actors: a, now: a.now}
	}
}

func (b *bench) openCompetitor(ctx context.Context, id competitorID) error {
	if b.competitors[id] != nil {
		return nil
	}
	i := slices.IndexFunc(b.o.Drivers, func(d engines.Driver) bool { return d.Info().Name == id.engine })
	c, err := openCompetitor(ctx, b.o, b.o.Drivers[i], id.dur, id.actors)
	if err != nil {
		return err
	}
	b.competitors[id] = c
	seen, err := c.warm(ctx)
	if err != nil {
		return err
	}
	b.progress("warmed %-14s class=%s actors=%d path=%s: %s", c.name, c.dur, id.actors, c.path(), seen)
	return nil
}

// close closes what prepare opened and removes the data.
func (b *bench) close() error {
	var errs []error
	for _, c := range b.competitors {
		if err := c.close(); err != nil {
			errs = append(errs, fmt.Errorf("closing %s: %w", c.name, err))
		}
	}
	if b.floor != nil {
		errs = append(errs, b.floor.Close())
	}
	if b.rig != nil {
		errs = append(errs, b.rig.Close())
	}
	return errors.Join(append(errs, os.RemoveAll(b.o.DataDir))...)
}

// rounds runs every round, each in an order of its own.
func (b *bench) rounds(ctx context.Context) error {
	begin := time.Now()
	order := slices.Clone(b.plan.points)
	for n := range b.o.Rounds {
		rng := rand.New(rand.NewPCG(b.o.Seed, uint64(n)))
		rng.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
		r := round{}
		for _, p := range order {
			if !settle(ctx) && ctx.Err() == nil {
				b.progress("round %d: background work did not end within %v before %s", n+1, settleLimit, p.name())
			}
			b.others.start()
			s, err := b.measure(ctx, p, n)
			b.others.stop()
			if errors.Is(err, errStalled) {
				b.progress("round %d: %s is left out: %v", n+1, p.name(), err)
				continue
			}
			if err != nil {
				return fmt.Errorf("%s: %w", p.name(), err)
			}
			r[p] = s
		}
		if err := printRound(b.o.Stdout, b.plan, r); err != nil {
			return err
		}
		b.done = append(b.done, r)
		b.progress("round %d of %d done after %.0f s", n+1, b.o.Rounds, time.Since(begin).Seconds())
	}
	return nil
}

// measure gives p its slice.
func (b *bench) measure(ctx context.Context, p point, round int) (sample, error) {
	if p.kind == harnessKind {
		return b.measureHarness(ctx, p)
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
	case renewKind, getKind:
		c := b.competitors[p.competitor()]
		l.stats = c.engine.Stats
		// Under sync and interval a clock reading is nothing beside a wait for the
		// device; elsewhere it is a good part of an operation.
		l.sampled = p.kind == getKind || p.dur.Class != engines.Sync
		for i := range p.workers {
			w := c.renewer(ctx, i, round)
			if p.kind == getKind {
				w = c.getter(ctx, i, round)
			}
			l.workers = append(l.workers, w)
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
