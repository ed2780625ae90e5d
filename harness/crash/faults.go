package crash

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"

	"orbitbench/engines"
)

// Faults makes input and output fail while the engine works: errors of write, sync
// and read, once and for ever, short writes, and a disk that is full. After a
// failed sync nothing may be acknowledged until the store is opened again, nothing
// that was acknowledged may be lost, and the engine must answer, if only with an error.
type Faults struct{}

// Name is Method.
func (Faults) Name() string { return "faults" }

// Unit is Method.
func (Faults) Unit() string { return "trial" }

// Available is Method.
func (Faults) Available() error {
	if len(ailmentsHere()) > 0 {
		return nil
	}
	var errs []error
	for _, b := range []bedKind{diskBed, recorderBed} {
		errs = append(errs, b.available())
	}
	return errors.Join(errs...)
}

// Judges is Method.
func (Faults) Judges(info engines.Info, d engines.Durability) error {
	if d.Class != engines.Sync {
		return errors.New("faults are tried in class sync, whose acknowledgements wait for the device")
	}
	return info.Supports(d)
}

// Trials is Sized.
func (Faults) Trials(gate string) int {
	return map[string]int{"pr": 4, "nightly": 50, "release": 300}[gate] * len(ailments)
}

// ailment is one way in which input and output fail.
type ailment struct {
	name  string
	bed   bedKind
	op    string // of the recorder: write, fsync, read
	errno syscall.Errno
	short bool
	once  bool
	// reading: it strikes when the store is opened again, not while it is written.
	reading bool
}

// ailments are tried in turn.
var ailments = []ailment{
	{name: "full disk", bed: diskBed},
	{name: "EIO on every fsync", bed: recorderBed, op: "fsync", errno: syscall.EIO},
	{name: "EIO on one fsync", bed: recorderBed, op: "fsync", errno: syscall.EIO, once: true},
	{name: "EIO on every write", bed: recorderBed, op: "write", errno: syscall.EIO},
	{name: "EIO on one write", bed: recorderBed, op: "write", errno: syscall.EIO, once: true},
	{name: "short write", bed: recorderBed, op: "write", short: true, once: true},
	{name: "ENOSPC on every write", bed: recorderBed, op: "write", errno: syscall.ENOSPC},
	{name: "EIO on every read", bed: recorderBed, op: "read", errno: syscall.EIO, reading: true},
	{name: "EIO on one read", bed: recorderBed, op: "read", errno: syscall.EIO, once: true, reading: true},
}

// ailmentsHere are those that can be had on this machine.
func ailmentsHere() []ailment {
	return slices.DeleteFunc(slices.Clone(ailments), func(a ailment) bool { return a.bed.available() != nil })
}

// Run is Method.
func (f Faults) Run(ctx context.Context, t *Trial) error {
	var lanes sync.WaitGroup
	failures := make([]error, t.Pool.Size())
	claims := newClaims(t.Want)
	for i := range failures {
		lanes.Go(func() {
			lane := &faultLane{t: t, here: ailmentsHere(), base: filepath.Join(t.Dir, fmt.Sprintf("lane-%d", i))}
			failures[i] = lane.run(ctx, claims)
		})
	}
	lanes.Wait()
	return errors.Join(failures...)
}

// faultLane tries one ailment after the other.
type faultLane struct {
	t    *Trial
	here []ailment
	base string
}

func (l *faultLane) run(ctx context.Context, c *claims) error {
	if err := os.MkdirAll(l.base, 0o755); err != nil {
		return err
	}
	for ctx.Err() == nil {
		n, ok := c.take()
		if !ok {
			return nil
		}
		if err := l.round(ctx, n); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// round gives a new store one ailment.
func (l *faultLane) round(ctx context.Context, n int) (err error) {
	rng := rand.New(rand.NewPCG(l.t.Seed, uint64(n)))
	a := l.here[n%len(l.here)]
	b, err := a.bed.make(ctx, l.base)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.close()) }()
	p := &course{t: l.t, ailment: a, bed: b, rng: rng, writers: []int{1, 4, 1, 16}[n/len(l.here)%4]}
	return p.run(ctx)
}

// course is one trial.
type course struct {
	t       *Trial
	ailment ailment
	bed     bed
	rng     *rand.Rand
	writers int

	after   int    // acknowledgements before it strikes
	acked   int    // so far
	begun   bool   // it may strike
	stopped uint64 // the stamp from which on nothing may be acknowledged, 0: none
	bedErr  error
}

func (c *course) run(ctx context.Context) error {
	store := storeIn(c.bed.dir())
	c.after = 1 + c.rng.IntN(24)
	load := Load{
		Seed: c.rng.Uint64(), Writers: c.writers, Steps: 48, Sessions: 1,
		CheckpointEvery: []int{0, 7, 15}[c.rng.IntN(3)], ProbesAfterFailure: 5,
	}
	h, err := Drive(ctx, &c.t.Target, DriveOptions{Store: store, Load: load, Now: c.bed.now, Each: c.each, Timeout: c.t.Pool.timeout})
	if err := errors.Join(engineFault(err), c.bedErr); err != nil {
		return err
	}
	c.t.Recorded(h)
	m, merr := NewModel(h)
	if merr != nil {
		return merr
	}
	j, verr := c.judge(ctx, store, m)
	if verr != nil {
		return verr
	}
	j.Violations = append(j.Violations, c.deaths(h, err)...)
	where := fmt.Sprintf("%s, after %d acknowledgements, %d writers", c.ailment.name, c.after, c.writers)
	f := &Failure{Target: c.t.Target, Method: c.t.Method.Name(), Seed: c.t.Seed, At: End, Rules: c.rules(), Where: where, Judgement: j}
	return c.t.Tested(&j, where, func(dir string) error { return f.save(dir, h) })
}

func (c *course) rules() Rules { return RulesFor(c.t.Target.Info, c.t.Target.Durability, false) }

// each begins the ailment when it is time, and notes when it has stopped the engine.
func (c *course) each(e *Event) bool {
	if e.Kind == Acked {
		c.acked++
	}
	if !c.begun && c.acked >= c.after && !c.ailment.reading {
		c.begun, c.bedErr = true, c.bed.hurt(c.ailment, c.rng)
		return c.bedErr != nil
	}
	if c.stopped == 0 && c.ailment.op == "fsync" && c.begun && c.bed.struck() {
		// A sync that fails for ever leaves none that could make a commit durable. One
		// that failed once may have been of a checkpoint, which costs only itself: that
		// it was a commit's is known when a commit was refused for it.
		if !c.ailment.once || e.Kind == Refused {
			c.stopped = e.At
		}
	}
	return false
}

// judge opens the store again: while it cannot be read, where that is the ailment,
// and in health.
func (c *course) judge(ctx context.Context, store string, m *Model) (Judgement, error) {
	var before []Violation
	if c.ailment.reading {
		if err := c.bed.hurt(c.ailment, c.rng); err != nil {
			return Judgement{}, err
		}
		found, err := c.t.Pool.Verify(ctx, &c.t.Target, store, VerifyOptions{OpenOnly: true})
		if err != nil {
			return Judgement{}, err
		}
		j := Judge(&Evidence{Model: m, At: End, Rules: c.rules(), Found: found, Damaged: true})
		for _, v := range j.Violations { // an explicit error is a right answer
			if v.Invariant != "damage" && (v.Invariant != "liveness" || found.Outcome != OutcomeOK) {
				before = append(before, v)
			}
		}
	}
	if err := c.bed.heal(); err != nil {
		return Judgement{}, err
	}
	found, err := c.t.Pool.Verify(ctx, &c.t.Target, store, VerifyOptions{Probes: m.Probes(probesPerCrash), Renew: true, SelfCheck: true})
	if err != nil {
		return Judgement{}, err
	}
	j := Judge(&Evidence{Model: m, At: End, Rules: c.rules(), Found: found, StoppedAt: c.stopped})
	j.Violations = append(before, j.Violations...)
	return j, nil
}

// deaths are what the end of the worker says: an error is right, and a hang and the
// end of the process are not.
func (c *course) deaths(h *History, ended error) []Violation {
	var l listing
	var broken *WorkerError
	switch {
	case errors.Is(ended, ErrHung):
		l.add("hung: "+c.ailment.name, "the worker said nothing for %v after %s", c.t.Pool.timeout, c.ailment.name)
	case errors.As(ended, &broken) && (len(h.Events) == 0 || h.Events[len(h.Events)-1].Kind != Broken):
		l.add("took its process with it: "+pattern(broken.Reason), "after %s: %s", c.ailment.name, broken.Reason)
	}
	for i := range h.Events {
		if e := &h.Events[i]; !c.begun && (e.Kind == Refused || e.Kind == Checkpoint) && e.Error != "" {
			l.add("refused without a fault: "+pattern(e.Error), "writer %d, step %d: %s", e.Writer, e.Step, strings.TrimSpace(e.Error))
		}
	}
	for i := range l {
		l[i].Invariant = "liveness"
	}
	return l
}
