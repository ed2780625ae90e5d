package cowbtree

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"orbitbench/engines"
	"orbitbench/engines/internal/vfs"
	"orbitbench/engines/lease"
)

// The crash tests run writers on a file system in memory, take what a crash in
// the middle of an operation may leave, open that, and judge it by what was
// acknowledged. Each writer has a pair of records that only change together and
// a lease that it renews.

const crashDir = "/store"

// crashConfig splits, rotates, checkpoints and drops all the time.
var crashConfig = map[string]any{
	"max_keys_per_node": 4, "segment_bytes": 16384, "checkpoint_log_bytes": 8192, "wal_buffer_size": 16384, "checkpoint_share": 1,
	"memory_limit_bytes": 64 << 20,
}

// progressOf is what is known of one writer: steps are numbered from 1.
type progressOf struct {
	issued, acked   int             // steps of the pair
	renewals, held  int             // renewals of the lease, issued and acknowledged
	top             engines.Version // highest version acknowledged of the pair's first record
	leaseVersion    engines.Version // version acknowledged last of the lease
	leaseMade       bool
	leaseMadeIssued bool
}

// ledger is the acknowledged history of all writers.
type ledger struct {
	mu sync.Mutex
	w  []progressOf // guarded by mu
}

func (l *ledger) copy() []progressOf {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]progressOf(nil), l.w...)
}

func (l *ledger) update(w int, f func(p *progressOf)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	f(&l.w[w])
}

// deletes says whether a step of the pair deletes it.
func deletes(w, step int) bool { return (w*7+step)%5 == 0 }

func pairKey(w int, second bool) []byte {
	if second {
		return fmt.Appendf(nil, "second-%02d", w)
	}
	return fmt.Appendf(nil, "first-%02d", w)
}

func pairValue(w, step int) []byte {
	return append(fmt.Appendf(nil, "%d/%d/", w, step), make([]byte, (w*131+step*37)%300)...)
}

func crashLease(w int) []byte { return fmt.Appendf(nil, "lease-of-writer-%02d", w) }

func crashBatch(w, step int) *engines.Batch {
	b := &engines.Batch{}
	if deletes(w, step) {
		b.Delete(engines.Leases, pairKey(w, false))
		b.Delete(engines.Index, pairKey(w, true))
	} else {
		b.Put(engines.Leases, pairKey(w, false), pairValue(w, step))
		b.Put(engines.Index, pairKey(w, true), pairValue(w, step))
	}
	return b
}

// writer commits until told to stop or the engine fails.
func (l *ledger) writer(e engines.Engine, w, steps int) error {
	ctx := context.Background()
	for range steps {
		var step int
		l.update(w, func(p *progressOf) { p.issued++; step = p.issued })
		b := crashBatch(w, step)
		if err := e.Apply(ctx, b); err != nil {
			return err
		}
		l.update(w, func(p *progressOf) { p.acked, p.top = step, max(p.top, b.Ops[0].Assigned) })
		if err := l.renew(ctx, e, w); err != nil {
			return err
		}
	}
	return nil
}

func (l *ledger) renew(ctx context.Context, e engines.Engine, w int) error {
	p := l.copy()[w]
	if !p.leaseMade {
		first := lease.New("node", 1, 1000, nil)
		value, err := first.AppendBinary(nil)
		if err != nil {
			return err
		}
		b := &engines.Batch{}
		b.Put(engines.Leases, crashLease(w), value)
		l.update(w, func(p *progressOf) { p.leaseMadeIssued = true })
		if err := e.Apply(ctx, b); err != nil {
			return err
		}
		l.update(w, func(p *progressOf) { p.leaseMade, p.leaseVersion = true, b.Ops[0].Assigned })
		return nil
	}
	n := p.renewals + 1
	l.update(w, func(p *progressOf) { p.renewals = n })
	v, err := e.(engines.LeaseRenewer).RenewLease(ctx, crashLease(w), p.leaseVersion, lease.Renewal{ExpiresAt: int64(1000 + n), Now: 2})
	if err != nil {
		return err
	}
	l.update(w, func(p *progressOf) { p.held, p.leaseVersion = n, v })
	return nil
}

// judge compares an open store with the history around the crash: before is
// what was acknowledged before it, after what was issued by then. strict: all
// that was acknowledged must be there.
func judge(e engines.Engine, before, after []progressOf, strict bool) error {
	for w := range before {
		if err := judgePair(e, w, before[w], after[w], strict); err != nil {
			return err
		}
		if err := judgeLease(e, w, before[w], after[w], strict); err != nil {
			return err
		}
	}
	return nil
}

func judgePair(e engines.Engine, w int, before, after progressOf, strict bool) error {
	ctx := context.Background()
	a, va, erra := e.Get(ctx, engines.Leases, pairKey(w, false), nil)
	b, _, errb := e.Get(ctx, engines.Index, pairKey(w, true), nil)
	from := 0
	if strict {
		from = before.acked
	}
	for step := after.issued; step >= from; step-- {
		absent := step == 0 || deletes(w, step)
		switch {
		case absent && errors.Is(erra, engines.ErrNotFound) && errors.Is(errb, engines.ErrNotFound):
			return nil
		case !absent && erra == nil && errb == nil && string(a) == string(pairValue(w, step)) && string(b) == string(a):
			if va == 0 {
				return fmt.Errorf("writer %d: version 0", w)
			}
			return nil
		}
	}
	return fmt.Errorf("writer %d: acknowledged step %d, issued %d, but the pair is %.20q, %v and %.20q, %v", w, before.acked, after.issued, a, erra, b, errb)
}

func judgeLease(e engines.Engine, w int, before, after progressOf, strict bool) error {
	value, v, err := e.Get(context.Background(), engines.Leases, crashLease(w), nil)
	if errors.Is(err, engines.ErrNotFound) && (!before.leaseMade || !strict) {
		return nil
	}
	if err != nil || !after.leaseMadeIssued {
		return fmt.Errorf("writer %d: lease made %v: %v", w, before.leaseMade, err)
	}
	var l lease.Lease
	if err := l.UnmarshalBinary(value); err != nil {
		return err
	}
	n := int(l.RenewalCount)
	if n > after.renewals || strict && n < before.held {
		return fmt.Errorf("writer %d: lease renewed %d times, acknowledged %d, issued %d", w, n, before.held, after.renewals)
	}
	if n > 0 && l.ExpiresAt != int64(1000+n) {
		return fmt.Errorf("writer %d: lease renewed %d times expires at %d", w, n, l.ExpiresAt)
	}
	if strict && v < before.leaseVersion {
		return fmt.Errorf("writer %d: lease at version %d, acknowledged %d", w, v, before.leaseVersion)
	}
	return nil
}

// crashState is a file system after a crash with what was known around it.
type crashState struct {
	fs            *vfs.Mem
	before, after []progressOf
	what          string
	strict        bool
}

// check opens a state and judges it, writes on, crashes again, and judges that.
func (c *crashState) check(rng *rand.Rand, d engines.Durability, depth int) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("%s: %w", c.what, err)
		}
	}()
	inner := c.inRecovery(rng, d, depth)
	e, err := open(context.Background(), c.fs, engines.Options{Dir: crashDir, Durability: d, Config: crashConfig})
	if err != nil {
		return fmt.Errorf("open: %w", err)
	}
	if err := e.logged(); err != nil {
		return errors.Join(fmt.Errorf("open the log: %w", err), e.Close())
	}
	inner.mu.Lock()
	inner.over = true // what the log's goroutines do from here on is not recovery
	inner.mu.Unlock()
	err = judge(e, c.before, c.after, c.strict)
	for w := 0; err == nil && w < len(c.before); w++ {
		// Fencing: what is written next is above every version acknowledged.
		step := 1
		for deletes(w, step) {
			step++
		}
		b := crashBatch(w, step)
		if err = e.Apply(context.Background(), b); err == nil && b.Ops[0].Assigned <= c.before[w].top {
			err = fmt.Errorf("writer %d: version %d after %d was acknowledged", w, b.Ops[0].Assigned, c.before[w].top)
		}
	}
	if cerr := e.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		_, err = verify(context.Background(), c.fs, crashDir, nil)
	}
	for i := 0; err == nil && i < len(inner.states); i++ {
		err = inner.states[i].check(rng, d, depth-1)
	}
	return err
}

// recoveryStates are crash states taken while a store is being opened.
type recoveryStates struct {
	mu     sync.Mutex
	over   bool // guarded by mu
	states []crashState
}

// inRecovery has a few of them taken.
func (c *crashState) inRecovery(rng *rand.Rand, d engines.Durability, depth int) *recoveryStates {
	r := &recoveryStates{}
	if depth == 0 {
		return r
	}
	c.fs.OnPending = func(op, name string) {
		r.mu.Lock()
		defer r.mu.Unlock()
		if r.over || len(r.states) == 2 || rng.IntN(4) != 0 {
			return
		}
		if d.Class == engines.Process && rng.IntN(2) == 0 {
			r.states = append(r.states, crashState{c.fs.Kill(), c.before, c.after, fmt.Sprintf("%s kill in recovery at %s %s", c.what, op, name), c.strict})
			return
		}
		loss := vfs.Losses()[rng.IntN(len(vfs.Losses()))]
		strict := c.strict && d.Class == engines.Sync
		r.states = append(r.states, crashState{c.fs.Crash(rng, loss), c.before, c.after, fmt.Sprintf("%s %s in recovery at %s %s", c.what, loss, op, name), strict})
	}
	return r
}

// crashRun runs writers and takes states.
func crashRun(t *testing.T, d engines.Durability, seed uint64, states int, wrap func(vfs.FS) vfs.FS) (found []error) {
	const writers = 6
	mem := vfs.NewMem()
	if err := mem.MkdirAll("/"); err != nil {
		t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(seed, 1))
	l := &ledger{w: make([]progressOf, writers)}
	var mu sync.Mutex
	var taken []crashState
	over := false
	take := func(op, name string) {
		mu.Lock()
		defer mu.Unlock()
		// The beginning is sampled densely, that is where files are created, and so are
		// checkpoints.
		often := 6
		if strings.HasSuffix(name, pagesName) {
			often = 2
		}
		if over || len(taken) >= states || len(taken) > states/4 && rng.IntN(often) != 0 {
			return
		}
		loss := vfs.Losses()[rng.IntN(len(vfs.Losses()))]
		s := crashState{before: l.copy(), strict: d.Class == engines.Sync}
		if d.Class == engines.Process && rng.IntN(2) == 0 {
			s.fs, s.what, s.strict = mem.Kill(), "kill", true
		} else {
			s.fs, s.what = mem.Crash(rng, loss), loss.String()
		}
		s.after = l.copy()
		s.what = fmt.Sprintf("seed %d, state %d, %s at %s %s", seed, len(taken), s.what, op, name)
		taken = append(taken, s)
	}
	mem.OnPending = take
	var fsys vfs.FS = mem
	if wrap != nil {
		fsys = wrap(mem)
	}
	e, err := open(context.Background(), fsys, engines.Options{Dir: crashDir, Durability: d, Config: crashConfig})
	if err != nil {
		t.Fatalf("seed %d: %v", seed, err)
	}
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			if err := l.writer(e, w, 120); err != nil {
				t.Errorf("seed %d: writer %d: %v", seed, w, err)
			}
		})
	}
	for range 12 {
		time.Sleep(time.Millisecond)
		take("a moment between", "operations")
		if err := e.Checkpoint(context.Background()); err != nil {
			t.Errorf("seed %d: checkpoint: %v", seed, err)
		}
	}
	wg.Wait()
	if err := e.Close(); err != nil {
		t.Errorf("seed %d: close: %v", seed, err)
	}
	mu.Lock()
	over = true
	mu.Unlock()
	for i := range taken {
		if err := taken[i].check(rng, d, 1); err != nil {
			found = append(found, err)
		}
	}
	t.Logf("seed %d: %d states", seed, len(taken))
	return found
}

func crashClasses() []engines.Durability {
	return []engines.Durability{{Class: engines.None}, {Class: engines.Process}, {Class: engines.Interval, Window: 20 * time.Millisecond}, {Class: engines.Sync}}
}

func TestCrashStates(t *testing.T) {
	states := 120
	if testing.Short() {
		states = 40
	}
	for _, d := range crashClasses() {
		t.Run(d.Class.String(), func(t *testing.T) {
			for _, err := range crashRun(t, d, uint64(time.Now().UnixNano()), states, nil) {
				t.Error(err)
			}
		})
	}
}

// deaf is a file system whose syncs of some files do nothing.
type deaf struct {
	vfs.FS
	dirs bool // SyncDir does nothing; else Sync and DSync of files
}

func (d deaf) SyncDir(dir string) error {
	if d.dirs {
		return nil
	}
	return d.FS.SyncDir(dir)
}

func (d deaf) OpenFile(name string, flag vfs.Flag) (vfs.File, error) {
	if d.dirs {
		return d.FS.OpenFile(name, flag)
	}
	f, err := d.FS.OpenFile(name, flag&^vfs.DSync)
	return deafFile{f}, err
}

type deafFile struct{ vfs.File }

func (deafFile) Sync() error { return nil }

// The judge of the crash test finds an engine whose syncs are lost.
func TestCrashJudgeFindsLostSyncs(t *testing.T) {
	for _, dirs := range []bool{false, true} {
		found := crashRun(t, engines.Durability{Class: engines.Sync}, uint64(time.Now().UnixNano()), 60, func(fs vfs.FS) vfs.FS { return deaf{fs, dirs} })
		if len(found) == 0 {
			t.Errorf("syncs of directories lost %v: no crash state shows it", dirs)
		}
	}
}
