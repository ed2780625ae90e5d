package crashtest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"orbitbench/engines"
	"orbitbench/engines/internal/storetest"
	"orbitbench/engines/internal/vfs"
)

// Plan is one run.
type Plan struct {
	Durability engines.Durability
	Seed       uint64
	States     int // to take
	// Wrap, if set, is put between the engine and the file system, for a test of the test.
	Wrap func(vfs.FS) vfs.FS
	// First ends the judging at the first state that is wrong.
	First bool
}

// state is a file system after a crash with what was known around it.
type state struct {
	fs     *vfs.Mem
	must   []progress // what must be there; nil: nothing must
	acked  []progress // what was acknowledged, for the versions to come
	issued []progress
	what   string
}

// run is what the goroutines of a run share.
type run[E storetest.Engine] struct {
	subject storetest.Subject[E]
	plan    Plan
	clock   *clock
	ledger  *ledger

	mu     sync.Mutex
	rng    *rand.Rand // guarded by mu, like all below
	over   bool
	states []state
}

const writers = 6

// Run runs writers, takes states and judges them. It returns what is wrong.
func Run[E storetest.Engine](t *testing.T, s storetest.Subject[E], p Plan) (found []error) {
	t.Helper()
	mem := vfs.NewMem()
	if err := mem.MkdirAll("/"); err != nil {
		t.Fatal(err)
	}
	c := newClock()
	r := &run[E]{subject: s, plan: p, clock: c, ledger: newLedger(writers, c.read), rng: rand.New(rand.NewPCG(p.Seed, 1))}
	mem.OnPending = func(op, name string) { r.take(mem, op, name) }
	var fsys vfs.FS = mem
	if p.Wrap != nil {
		fsys = p.Wrap(mem)
	}
	e, err := s.Try(fsys, p.Durability, s.Busy)
	if err != nil {
		t.Fatalf("seed %d: %v", p.Seed, err)
	}
	var pause time.Duration // under class interval the run must last for some windows
	if p.Durability.Class == engines.Interval {
		pause = p.Durability.Window / 16
	}
	stop := make(chan struct{})
	defer close(stop)
	go c.measureLag(stop)
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			if err := r.ledger.write(e, w, 120, pause); err != nil {
				t.Errorf("seed %d: writer %d: %v", p.Seed, w, err)
			}
		})
	}
	for range 12 {
		time.Sleep(time.Millisecond + 6*pause)
		r.take(mem, "a moment between", "operations")
		if err := e.Checkpoint(context.Background()); err != nil {
			t.Errorf("seed %d: checkpoint: %v", p.Seed, err)
		}
	}
	wg.Wait()
	if err := e.Close(); err != nil {
		t.Errorf("seed %d: close: %v", p.Seed, err)
	}
	r.mu.Lock()
	r.over = true
	r.mu.Unlock()
	for i := range r.states {
		if err := r.check(&r.states[i], 1); err != nil {
			found = append(found, err)
			if p.First {
				break
			}
		}
		r.states[i] = state{} // a copy of the whole file system
	}
	t.Logf("seed %d: %d states", p.Seed, len(r.states))
	return found
}

// take adds a state.
func (r *run[E]) take(mem *vfs.Mem, op, name string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	often := 6
	if r.subject.Rare != nil && r.subject.Rare(name) {
		often = 2
	}
	// The beginning is sampled densely: that is where files are created.
	if r.over || len(r.states) >= r.plan.States || len(r.states) > r.plan.States/4 && r.rng.IntN(often) != 0 {
		return
	}
	defer r.clock.hold()()
	d := r.plan.Durability
	s := state{acked: r.ledger.now()}
	survives := d.Class == engines.Sync
	kill := (d.Class == engines.Process || d.Class == engines.Interval) && r.rng.IntN(2) == 0
	if d.Class == engines.Interval {
		s.must = r.ledger.at(latest(s.acked) - 2*d.Window - 3*r.clock.overslept())
	}
	if kill {
		s.fs, s.what = mem.Kill(), "kill"
		survives = d.Class == engines.Process
	} else {
		loss := vfs.Losses()[r.rng.IntN(len(vfs.Losses()))]
		s.fs, s.what = mem.Crash(r.rng, loss), loss.String()
	}
	if survives {
		s.must = s.acked
	}
	s.issued = r.ledger.now()
	s.what = fmt.Sprintf("seed %d, state %d, %s at %s %s", r.plan.Seed, len(r.states), s.what, op, name)
	r.states = append(r.states, s)
}

// check opens a state and judges it, writes on, crashes again within the
// opening, and judges that.
func (r *run[E]) check(s *state, depth int) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("%s: %w", s.what, err)
		}
	}()
	inner := r.inRecovery(s, depth)
	ctx := context.Background()
	e, err := r.subject.Try(s.fs, r.plan.Durability, r.subject.Busy)
	if err != nil {
		return fmt.Errorf("open: %w", err)
	}
	if r.subject.Recover != nil {
		if err := r.subject.Recover(e); err != nil {
			return errors.Join(fmt.Errorf("recover: %w", err), e.Close())
		}
	}
	inner.mu.Lock()
	inner.over = true // what the engine's goroutines do from here on is not recovery
	inner.mu.Unlock()
	err = judge(ctx, e, s)
	for w := 0; err == nil && w < writers; w++ {
		err = fenced(ctx, e, w, s.acked[w])
	}
	if err == nil && r.subject.Audit != nil {
		err = r.subject.Audit(e)
	}
	if cerr := e.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = r.subject.Check(s.fs)
	}
	for i := 0; err == nil && i < len(inner.states); i++ {
		err = r.check(&inner.states[i], depth-1)
	}
	return err
}

// inRecovery are crash states taken while a store is being opened.
type inRecovery struct {
	mu     sync.Mutex
	over   bool // guarded by mu
	states []state
}

// inRecovery has a few of them taken.
func (r *run[E]) inRecovery(s *state, depth int) *inRecovery {
	in := &inRecovery{}
	if depth == 0 {
		return in
	}
	class := r.plan.Durability.Class
	s.fs.OnPending = func(op, name string) {
		in.mu.Lock()
		defer in.mu.Unlock()
		if in.over || len(in.states) == 2 || r.rng.IntN(4) != 0 {
			return
		}
		next := state{must: s.must, acked: s.acked, issued: s.issued}
		if class == engines.Process && r.rng.IntN(2) == 0 {
			next.fs, next.what = s.fs.Kill(), fmt.Sprintf("kill in recovery at %s %s", op, name)
		} else {
			loss := vfs.Losses()[r.rng.IntN(len(vfs.Losses()))]
			next.fs, next.what = s.fs.Crash(r.rng, loss), fmt.Sprintf("%s in recovery at %s %s", loss, op, name)
			if class == engines.Process {
				next.must = nil // the power cut may take what the kill had left
			}
		}
		in.states = append(in.states, next)
	}
	return in
}
