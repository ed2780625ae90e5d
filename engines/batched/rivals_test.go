package batched

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"orbitbench/engines"
	"orbitbench/engines/lease"
)

// However many race for one record, and whoever else commits meanwhile: one
// write serves them all.
func TestHotKeyDoesNotSerialise(t *testing.T) {
	g := &gated{}
	e := open(t, g)
	require.NoError(t, e.Apply(background, put("hot", "")))
	held := engines.Condition{Keyspace: engines.Nodes, Key: []byte("hot"), Version: 1}
	batches := []*engines.Batch{put("first", "")}
	for i := range 16 {
		batches = append(batches, put("hot", fmt.Sprint(i), held), put(fmt.Sprint("cold", i), ""))
	}
	errs := together(t, e, g, batches...)
	require.Equal(t, []int{1, 1, 17}, g.applied)
	winners := 0
	for i, err := range errs {
		if i%2 == 0 {
			require.NoError(t, err) // first, and the cold keys
			continue
		}
		if err == nil {
			winners++
			continue
		}
		var conflict *engines.ConflictError
		require.ErrorAs(t, err, &conflict)
		require.Equal(t, engines.ConflictError{Keyspace: engines.Nodes, Want: 1, Have: 2}, *conflict)
	}
	require.Equal(t, 1, winners)
	s := e.Stats()
	require.EqualValues(t, 19, s.Commits)
	require.EqualValues(t, 15, s.Conflicts)
}

// A rival of a member that fails has lost nothing and has its own turn.
func TestRivalOfALoserHasItsTurn(t *testing.T) {
	g := &gated{}
	e := open(t, g)
	require.NoError(t, e.Apply(background, put("hot", "")))
	hot := func(v engines.Version) engines.Condition {
		return engines.Condition{Keyspace: engines.Nodes, Key: []byte("hot"), Version: v}
	}
	errs := together(t, e, g, put("0", ""),
		put("hot", "a", hot(1), engines.Condition{Keyspace: engines.Nodes, Key: []byte("none"), Version: 9}),
		put("hot", "b", hot(1)), put("hot", "c", hot(1)))
	require.ErrorIs(t, errs[1], engines.ErrConflict)
	require.NoError(t, errs[2])
	require.ErrorIs(t, errs[3], engines.ErrConflict)
	value, v, err := e.Get(background, engines.Nodes, []byte("hot"), nil)
	require.NoError(t, err)
	require.Equal(t, "b", string(value))
	require.EqualValues(t, 2, v)
}

// Deleting what must be absent changes nothing, so nobody loses by it.
func TestEmptyDeleteBeatsNobody(t *testing.T) {
	g := &gated{}
	e := open(t, g)
	remove := &engines.Batch{}
	remove.Delete(engines.Nodes, []byte("k"))
	remove.Conditions = append(remove.Conditions, absent("k"))
	errs := together(t, e, g, put("0", ""), remove, put("k", "v", absent("k")))
	require.NoError(t, errs[1])
	require.NoError(t, errs[2])
}

// Racing renewals of a record that is deleted by the winner find no record.
func TestRenewalLosesToDelete(t *testing.T) {
	g := &gated{}
	e := open(t, g)
	now := time.Now().UnixNano()
	l := lease.New("n", now, time.Minute, nil)
	record, err := l.AppendBinary(nil)
	require.NoError(t, err)
	key := []byte("actor")
	setup := &engines.Batch{}
	setup.Put(engines.Leases, key, record)
	require.NoError(t, e.Apply(background, setup))
	g.hold, g.entered = make(chan struct{}), make(chan struct{}, 8)
	var wg sync.WaitGroup
	wg.Go(func() { require.NoError(t, e.Apply(background, put("0", ""))) })
	<-g.entered
	wg.Go(func() {
		b := &engines.Batch{}
		b.Require(engines.Leases, key, 1)
		b.Delete(engines.Leases, key)
		require.NoError(t, e.Apply(background, b))
	})
	require.Eventually(t, func() bool { return e.queue.size.Load() == 1 }, time.Minute, time.Microsecond)
	wg.Go(func() {
		_, err := e.RenewLease(background, key, 1, lease.Renewal{ExpiresAt: now + 9, Now: now})
		require.ErrorIs(t, err, engines.ErrNotFound)
	})
	require.Eventually(t, func() bool { return e.queue.size.Load() == 2 }, time.Minute, time.Microsecond)
	close(g.hold)
	wg.Wait()
	require.Equal(t, []int{1, 1, 1}, g.applied)
}

// While a write waits for the device readers are served, and others queue up
// behind no lock: they can leave, and they all go in the next write.
func TestNothingIsHeldThroughAWrite(t *testing.T) {
	g := &gated{}
	e := open(t, g)
	require.NoError(t, e.Apply(background, put("k", "v")))
	g.hold, g.entered = make(chan struct{}), make(chan struct{}, 8)
	errs := make(chan error, 9)
	go func() { errs <- e.Apply(background, put("k", "w")) }()
	<-g.entered // it will stay in the write until hold is closed
	value, _, err := e.Get(background, engines.Nodes, []byte("k"), nil)
	require.NoError(t, err)
	require.Equal(t, "v", string(value))
	require.NoError(t, e.Scan(background, engines.Nodes, nil, nil, func(_, _ []byte, _ engines.Version) error { return nil }))
	for i := range 8 {
		go func() { errs <- e.Apply(background, put(fmt.Sprint(i), "")) }()
	}
	require.Eventually(t, func() bool { return e.queue.size.Load() == 8 }, time.Minute, time.Microsecond)
	close(g.hold)
	all := error(nil)
	for range 9 {
		all = errors.Join(all, <-errs)
	}
	require.NoError(t, all)
	require.Equal(t, []int{1, 1, 8}, g.applied)
}
