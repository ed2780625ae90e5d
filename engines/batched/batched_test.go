package batched

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"orbitbench/engines"
	"orbitbench/engines/lease"
	"orbitbench/engines/memory"
	"orbitbench/harness/patience"
)

// gated is the memory engine with an Apply that can be held and made to fail,
// so that a test decides who meets in a cohort.
type gated struct {
	engines.Engine
	hold    chan struct{} // nil: do not hold. Each Apply takes one value
	entered chan struct{} // each Apply that is held sends one value first

	mu      sync.Mutex
	fail    func(*engines.Batch) error // guarded by mu
	applied []int                      // guarded by mu: operations of each Apply that succeeded
}

func (g *gated) Apply(ctx context.Context, b *engines.Batch) error {
	if g.hold != nil {
		g.entered <- struct{}{}
		<-g.hold
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.fail != nil {
		if err := g.fail(b); err != nil {
			return err
		}
	}
	err := g.Engine.Apply(ctx, b)
	if err == nil {
		g.applied = append(g.applied, len(b.Ops))
	}
	return err
}

type gatedDriver struct {
	memory.Driver
	engine *gated
}

func (d gatedDriver) Open(ctx context.Context, o engines.Options) (engines.Engine, error) {
	inner, err := d.Driver.Open(ctx, o)
	d.engine.Engine = inner
	return d.engine, err
}

func open(t *testing.T, g *gated) *engine {
	t.Helper()
	e, err := New(gatedDriver{engine: g}).Open(context.Background(), engines.Options{Dir: t.TempDir()})
	require.NoError(t, err)
	return e.(*engine)
}

var background = context.Background()

func put(key, value string, required ...engines.Condition) *engines.Batch {
	b := &engines.Batch{}
	b.Put(engines.Nodes, []byte(key), []byte(value))
	b.Conditions = append(b.Conditions, required...)
	return b
}

func absent(key string) engines.Condition {
	return engines.Condition{Keyspace: engines.Nodes, Key: []byte(key)}
}

// together commits batches so that all but the first are in the queue while
// the first is being written, and returns their outcomes in order.
func together(t *testing.T, e *engine, g *gated, batches ...*engines.Batch) []error {
	t.Helper()
	g.hold, g.entered = make(chan struct{}), make(chan struct{}, 64)
	errs := make([]error, len(batches))
	var wg sync.WaitGroup
	for i, b := range batches {
		wg.Go(func() { errs[i] = e.Apply(background, b) })
		if i == 0 {
			<-g.entered
			continue
		}
		require.Eventually(t, func() bool { return int(e.queue.size.Load()) == i }, time.Minute, time.Microsecond)
	}
	close(g.hold)
	wg.Wait()
	g.hold = nil
	return errs
}

func TestOneWriteForAllThatWait(t *testing.T) {
	g := &gated{}
	e := open(t, g)
	var batches []*engines.Batch
	for i := range 10 {
		batches = append(batches, put(fmt.Sprint("k", i), "v"))
	}
	for i, err := range together(t, e, g, batches...) {
		require.NoError(t, err)
		require.EqualValues(t, 1, batches[i].Ops[0].Assigned)
	}
	require.Equal(t, []int{1, 9}, g.applied)
	require.EqualValues(t, 10, e.Stats().Commits)
	require.NoError(t, e.Close())
}

func TestMembersFailAlone(t *testing.T) {
	g := &gated{}
	e := open(t, g)
	now := time.Now().UnixNano()
	l := lease.New("n", now, time.Second, nil)
	record, err := l.AppendBinary(nil)
	require.NoError(t, err)
	setup := &engines.Batch{}
	setup.Put(engines.Leases, []byte("lease"), record)
	setup.Put(engines.Leases, []byte("other"), record)
	setup.Put(engines.Nodes, []byte("held"), nil)
	require.NoError(t, e.Apply(background, setup))

	expired, missing, good, garbage := &engines.Batch{}, &engines.Batch{}, &engines.Batch{}, &engines.Batch{}
	expired.Put(engines.Nodes, []byte("of expired"), nil)
	expired.Renew([]byte("lease"), lease.Renewal{ExpiresAt: now + 9, Now: now + int64(time.Minute)})
	missing.Put(engines.Nodes, []byte("of missing"), nil)
	missing.Renew([]byte("none"), lease.Renewal{ExpiresAt: now + 9, Now: now})
	good.Renew([]byte("other"), lease.Renewal{ExpiresAt: now + 9, Now: now})
	garbage.Put(engines.Nodes, nil, nil)

	errs := together(t, e, g,
		put("first", "v"),
		put("a", "v", engines.Condition{Keyspace: engines.Nodes, Key: []byte("held"), Version: 7}),
		expired, missing, good,
		put("b", "v", absent("b")),
	)
	require.NoError(t, errs[0])
	var conflict *engines.ConflictError
	require.ErrorAs(t, errs[1], &conflict)
	require.Equal(t, engines.ConflictError{Keyspace: engines.Nodes, Want: 7, Have: 1}, *conflict)
	require.ErrorIs(t, errs[2], lease.ErrExpired)
	require.ErrorIs(t, errs[3], engines.ErrNotFound)
	require.NoError(t, errs[4])
	require.EqualValues(t, 2, good.Ops[0].Assigned)
	require.NoError(t, errs[5])
	require.ErrorIs(t, e.Apply(background, garbage), engines.ErrInvalid)
	for _, key := range []string{"a", "of expired", "of missing"} {
		_, _, err := e.Get(background, engines.Nodes, []byte(key), nil)
		require.ErrorIs(t, err, engines.ErrNotFound, "%s belongs to a batch that failed", key)
	}
	require.Equal(t, []int{3, 1, 2}, g.applied, "the survivors went in one write")
	require.EqualValues(t, 1, e.Stats().Conflicts)
}

func TestWritersOfOneKeyTakeTurns(t *testing.T) {
	g := &gated{}
	e := open(t, g)
	first, second, third := put("k", "1"), put("k", "2"), put("k", "3", absent("k"))
	errs := together(t, e, g, put("x", ""), first, second, third)
	require.NoError(t, errs[1])
	require.NoError(t, errs[2])
	require.ErrorIs(t, errs[3], engines.ErrConflict)
	require.EqualValues(t, 1, first.Ops[0].Assigned)
	require.EqualValues(t, 2, second.Ops[0].Assigned)
	value, v, err := e.Get(background, engines.Nodes, []byte("k"), nil)
	require.NoError(t, err)
	require.Equal(t, "2", string(value))
	require.EqualValues(t, 2, v)
}

// Two batches that each write what the other requires to be absent must not
// both succeed, although each could be judged true before either is applied.
func TestNoWriteSkew(t *testing.T) {
	g := &gated{}
	e := open(t, g)
	errs := together(t, e, g, put("0", ""), put("x", "", absent("y")), put("y", "", absent("x")))
	require.NoError(t, errs[1])
	require.ErrorIs(t, errs[2], engines.ErrConflict)
}

func TestDeviceErrorReachesEveryMember(t *testing.T) {
	g := &gated{}
	e := open(t, g)
	eio := errors.New("input/output error")
	g.fail = func(b *engines.Batch) error {
		if len(b.Ops) > 1 {
			return eio
		}
		return nil
	}
	errs := together(t, e, g, put("0", ""), put("1", ""), put("2", ""), put("3", ""))
	require.NoError(t, errs[0])
	for _, err := range errs[1:] {
		require.ErrorIs(t, err, eio)
	}
}

func TestRefusalThatNoConditionShows(t *testing.T) {
	for _, refused := range []error{engines.ErrFull, engines.ErrUnsupported, engines.ErrInvalid} {
		g := &gated{}
		e := open(t, g)
		g.fail = func(b *engines.Batch) error {
			for i := range b.Ops {
				if string(b.Ops[i].Key) == "bad" {
					return fmt.Errorf("%w: no", refused)
				}
			}
			return nil
		}
		errs := together(t, e, g, put("0", ""), put("1", ""), put("bad", ""), put("2", ""))
		require.NoError(t, errs[1])
		require.ErrorIs(t, errs[2], refused)
		require.NoError(t, errs[3])
	}
}

func TestCohortKeepsTheLimits(t *testing.T) {
	g := &gated{}
	e := open(t, g)
	var batches []*engines.Batch
	for i := range 4 {
		b := &engines.Batch{}
		for j := range engines.MaxBatchOps/2 + 1 {
			b.Put(engines.Nodes, fmt.Appendf(nil, "%d/%d", i, j), nil)
		}
		batches = append(batches, b)
	}
	for _, err := range together(t, e, g, append([]*engines.Batch{put("0", "")}, batches...)...) {
		require.NoError(t, err)
	}
	require.Len(t, g.applied, 5, "two of them would be too many operations for one batch")
}

func TestContextWithdrawsOnlyWhatNobodyTook(t *testing.T) {
	g := &gated{hold: make(chan struct{}), entered: make(chan struct{}, 8)}
	e := open(t, g)
	ctx, cancel := context.WithCancel(background)
	taken, queued := make(chan error, 1), make(chan error, 1)
	go func() { taken <- e.Apply(ctx, put("taken", "")) }()
	<-g.entered
	go func() { queued <- e.Apply(ctx, put("queued", "")) }()
	require.Eventually(t, func() bool { return e.queue.size.Load() == 1 }, time.Minute, time.Microsecond)
	cancel()
	require.ErrorIs(t, <-queued, context.Canceled)
	close(g.hold)
	require.NoError(t, <-taken, "it had been handed on, and its outcome is awaited")
	_, _, err := e.Get(background, engines.Nodes, []byte("queued"), nil)
	require.ErrorIs(t, err, engines.ErrNotFound)
	require.ErrorIs(t, e.Apply(ctx, put("late", "")), context.Canceled)
	require.NoError(t, e.Apply(background, put("after", "")), "leadership is free again")
}

func TestCloseWaitsForCommits(t *testing.T) {
	g := &gated{hold: make(chan struct{}), entered: make(chan struct{}, 8)}
	e := open(t, g)
	committed, closed := make(chan error, 1), make(chan error, 1)
	go func() { committed <- e.Apply(background, put("k", "")) }()
	<-g.entered
	go func() { closed <- e.Close() }()
	require.Eventually(t, func() bool {
		ctx, cancel := context.WithTimeout(background, time.Millisecond) // it queues until Close has begun
		defer cancel()
		return errors.Is(e.Apply(ctx, put("late", "")), engines.ErrClosed)
	}, time.Minute, time.Millisecond)
	select {
	case err := <-closed:
		t.Fatalf("Close returned %v before the commit", err)
	default:
	}
	close(g.hold)
	require.NoError(t, <-committed)
	require.NoError(t, <-closed)
	require.ErrorIs(t, e.Close(), engines.ErrClosed)
}

// Random batches over few keys, from many goroutines: the version of a key must
// be the number of commits that wrote it, whatever met in a cohort.
func TestRandomCohortsAgainstCounts(t *testing.T) {
	seed := patience.Seed(t)
	e := open(t, &gated{})
	const keys, workers = 12, 16
	rounds := 400
	if testing.Short() {
		rounds = 50
	}
	name := func(k int) []byte { return fmt.Appendf(nil, "key %d", k) }
	var counts [keys]engines.Version
	var mu sync.Mutex // guards counts
	var wg sync.WaitGroup
	for w := range workers {
		rng := rand.New(rand.NewPCG(seed, uint64(w)))
		wg.Go(func() {
			for range rounds {
				var b engines.Batch
				picked := rng.Perm(keys)[:1+rng.IntN(3)]
				for _, k := range picked {
					b.Put(engines.Nodes, name(k), nil)
				}
				required := rng.IntN(keys)
				_, v, err := e.Get(background, engines.Nodes, name(required), nil)
				if err != nil && !errors.Is(err, engines.ErrNotFound) {
					t.Error(err)
				}
				b.Require(engines.Nodes, name(required), v)
				switch err := e.Apply(background, &b); {
				case err == nil:
					mu.Lock()
					for _, k := range picked {
						counts[k]++
					}
					mu.Unlock()
				case !errors.Is(err, engines.ErrConflict):
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	for k, want := range counts {
		_, v, err := e.Get(background, engines.Nodes, name(k), nil)
		require.NoError(t, err)
		require.Equal(t, want, v, "key %d", k)
	}
	s := e.Stats()
	require.EqualValues(t, workers*rounds, s.Commits+s.Conflicts)
}

func TestConfigure(t *testing.T) {
	d := New(memory.Driver{})
	require.Equal(t, "memory+batch", d.Info().Name)
	require.True(t, d.Info().Optional)
	c, err := d.Configure(engines.Options{Config: map[string]any{"wait_limit": 9, "inner": map[string]any{"max_entries": 5}}})
	require.NoError(t, err)
	require.Equal(t, 9, c.(Config).WaitLimit)
	require.Equal(t, defaultWaitShare, c.(Config).WaitShare)
	require.EqualValues(t, 5, c.(Config).Inner.(memory.Config).MaxEntries)
	for _, bad := range []map[string]any{
		{"no_such_option": 1}, {"wait_share": -1}, {"wait_share": 2}, {"wait_limit": -1}, {"inner": map[string]any{"no_such_option": 1}},
	} {
		_, err := d.Configure(engines.Options{Config: bad})
		require.ErrorIs(t, err, engines.ErrInvalid, "%v", bad)
	}
	require.Equal(t, []string{"lease_renewer"}, engines.Capabilities(open(t, &gated{})), "it does not pretend what the engine within cannot do")
	e, err := d.Open(background, engines.Options{Dir: t.TempDir()})
	require.NoError(t, err)
	require.Equal(t, []string{"lease_renewer", "viewer", "snapshotter"}, engines.Capabilities(e))
	require.NoError(t, e.Close())
}
