package crash

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"time"

	"orbitbench/engines"
	"orbitbench/harness/filetree"
)

// Kill is kill -9 of the engine's process, at random moments, over the same store
// again and again.
type Kill struct{}

// Name is Method.
func (Kill) Name() string { return "kill" }

// Unit is Method.
func (Kill) Unit() string { return "kill" }

// Available is Method: it can be had everywhere.
func (Kill) Available() error { return nil }

// Judges is Method.
func (Kill) Judges(info engines.Info, d engines.Durability) error {
	if d.Class == engines.None {
		return errors.New("class none promises nothing")
	}
	return info.Supports(d)
}

// Run is Method.
func (k Kill) Run(ctx context.Context, t *Trial) error {
	var lanes sync.WaitGroup
	failures := make([]error, t.Pool.Size())
	claims := newClaims(t.Want)
	for i := range failures {
		lanes.Go(func() {
			lane := &killLane{t: t, claims: claims, dir: filepath.Join(t.Dir, fmt.Sprintf("lane-%d", i))}
			failures[i] = lane.run(ctx)
		})
	}
	lanes.Wait()
	return errors.Join(failures...)
}

// claims deals out numbers below a bound.
type claims struct {
	mu   sync.Mutex
	next int // guarded by mu
	end  int
}

func newClaims(n int) *claims { return &claims{end: n} }

func (c *claims) take() (n int, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.next == c.end {
		return 0, false
	}
	c.next++
	return c.next - 1, true
}

// epochsPerStore is how often one store is killed before the next takes its place.
const epochsPerStore = 8

// killLane kills and judges one store at a time.
type killLane struct {
	t      *Trial
	claims *claims
	dir    string
	epoch  int
	base   []BaseRecord
}

func (l *killLane) run(ctx context.Context) error {
	for ctx.Err() == nil {
		n, ok := l.claims.take()
		if !ok {
			return nil
		}
		if l.epoch == 0 {
			if err := l.fresh(); err != nil {
				return err
			}
		}
		if err := l.round(ctx, n); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// fresh begins with no store.
func (l *killLane) fresh() error {
	l.base = nil
	if err := os.RemoveAll(l.dir); err != nil {
		return err
	}
	return os.MkdirAll(l.dir, 0o755)
}

// writersOf are the numbers of writers that take turns.
var writersOf = []int{4, 1, 16, 8, 64}

// killWithin is the latest kill after a store was opened.
const killWithin = 100 * time.Millisecond

// round is one worker, its death and the judgement.
func (l *killLane) round(ctx context.Context, n int) error {
	t := l.t
	rng := rand.New(rand.NewPCG(t.Seed, uint64(n)))
	o := DriveOptions{Store: storeIn(l.dir), Base: l.base, Load: Load{
		Seed: rng.Uint64(), Writers: writersOf[n%len(writersOf)], Readers: 1, Steps: 1 << 12, Sessions: 1,
		CheckpointEvery: 20 + rng.IntN(40), Epoch: l.epoch, Pause: pauseFor(t.Target.Durability, 1),
	}}
	where := ""
	if n%4 == 0 { // in the very first moments, or at an exact event
		last := 1 + rng.IntN(60)
		seen := 0
		o.Each = func(*Event) bool { seen++; return seen >= last }
		where = fmt.Sprintf("kill -9 at event %d", last)
	} else {
		// Early moments more often than late ones: a store that is killed soon is one that
		// was just recovered, and the next one comes sooner.
		u := rng.Float64()
		o.KillAfter = time.Duration(u * u * float64(killWithin))
		where = fmt.Sprintf("kill -9 %v after it was open", o.KillAfter)
	}
	h, err := Drive(ctx, &t.Target, o)
	if err := engineFault(err); err != nil {
		return err
	}
	t.Recorded(h)
	verdict, found, m, err := l.judge(ctx, h, err, rng)
	if err != nil {
		return err
	}
	where = fmt.Sprintf("%s, %d writers, epoch %d of its store", where, o.Load.Writers, l.epoch+1)
	f := &Failure{Target: t.Target, Method: t.Method.Name(), Seed: t.Seed, At: End, Rules: RulesFor(t.Target.Info, t.Target.Durability, false), Where: where, Judgement: *verdict}
	err = t.Tested(verdict, where, func(dir string) error {
		if _, err := filetree.Copy(ctx, l.copied(), filepath.Join(dir, storeCopyDir)); err != nil {
			return err
		}
		return f.save(dir, h)
	})
	if len(verdict.Violations) > 0 || l.epoch+1 == epochsPerStore {
		l.epoch = 0
		return err
	}
	l.epoch++
	l.base = m.nextBase(found)
	return err
}

// copied is where the store lies as it was at the kill, for replays.
func (l *killLane) copied() string { return filepath.Join(l.dir, "killed") }

// judge verifies the store in place.
func (l *killLane) judge(ctx context.Context, h *History, ended error, rng *rand.Rand) (*Judgement, *Verified, *Model, error) {
	t := l.t
	m, err := NewModel(h)
	if err != nil {
		return nil, nil, nil, err
	}
	if err := os.RemoveAll(l.copied()); err != nil {
		return nil, nil, nil, err
	}
	if _, err := os.Stat(storeIn(l.dir)); err == nil {
		if _, err := filetree.Copy(ctx, storeIn(l.dir), l.copied()); err != nil {
			return nil, nil, nil, err
		}
	} else if err := os.Mkdir(l.copied(), 0o755); err != nil {
		return nil, nil, nil, err
	}
	o := VerifyOptions{Probes: m.Probes(probesPerCrash), Renew: true, SelfCheck: true}
	if rng.IntN(8) == 0 {
		o.KillAfter = time.Duration(rng.IntN(20_000)) * time.Microsecond
	}
	found, err := t.Pool.Verify(ctx, &t.Target, storeIn(l.dir), o)
	if err != nil {
		return nil, nil, nil, err
	}
	j := Judge(&Evidence{Model: m, At: End, Rules: RulesFor(t.Target.Info, t.Target.Durability, false), Found: found})
	j.Violations = append(j.Violations, workerViolations(h, ended)...)
	return &j, &found, m, nil
}

// probesPerCrash is how many records are written after a crash.
const probesPerCrash = 24

// engineFault drops from the errors of Drive those that are about the engine.
func engineFault(err error) error {
	var ended *WorkerError
	if errors.As(err, &ended) || errors.Is(err, ErrHung) {
		return nil
	}
	return err
}

// workerViolations are what the work itself says about an engine that nobody hurt:
// it refused a commit, it ended, or it hung.
func workerViolations(h *History, ended error) []Violation {
	var l listing
	for i := range h.Events {
		if e := &h.Events[i]; e.Error != "" && (e.Kind == Refused || e.Kind == Checkpoint) {
			l.add("refused without a fault: "+pattern(e.Error), "writer %d, step %d: %s", e.Writer, e.Step, e.Error)
		}
	}
	var broken *WorkerError
	switch {
	case errors.As(ended, &broken):
		l.add("worker ended: "+pattern(broken.Reason), "%s", broken.Reason)
	case errors.Is(ended, ErrHung):
		l.add("worker hung", "%s", ended)
	}
	for i := range l {
		l[i].Invariant = "liveness"
	}
	return l
}

// pauseFor lets time pass where the class needs it: n steps fill a window.
func pauseFor(d engines.Durability, n int) time.Duration {
	if d.Class != engines.Interval {
		return 0
	}
	return min(d.Window/time.Duration(n), 10*time.Millisecond)
}

// nextBase is what the next history over the same store begins with.
func (m *Model) nextBase(v *Verified) []BaseRecord {
	now := make(map[recordID]*Record, len(v.Again))
	for i := range v.Again {
		now[v.Again[i].id()] = &v.Again[i]
	}
	base := make([]BaseRecord, 0, len(m.order))
	for _, k := range m.order {
		b := BaseRecord{Record: Record{Keyspace: k.id.ks, Key: []byte(k.id.key)}, Top: k.top}
		if r := now[k.id]; r != nil {
			b.Record, b.Present, b.Top = *r, true, max(b.Top, r.Version)
		}
		for i := range k.states {
			b.Top = max(b.Top, k.states[i].version)
		}
		base = append(base, b)
	}
	return base
}
