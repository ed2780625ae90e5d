package actorstore

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"orbitbench/engines"
	"orbitbench/engines/internal/vfs"
	"orbitbench/engines/lease"
)

func interval(window time.Duration) engines.Durability {
	return engines.Durability{Class: engines.Interval, Window: window}
}

func putLease(t *testing.T, e engines.Engine, key string) engines.Version {
	t.Helper()
	l := lease.New("node", 1, time.Hour, nil)
	value, err := l.AppendBinary(nil)
	require.NoError(t, err)
	return put(t, e, engines.Leases, key, string(value))
}

func mustRenew(t *testing.T, e *engine, key string, held engines.Version, until int64) engines.Version {
	t.Helper()
	v, err := e.RenewLease(context.Background(), []byte(key), held, lease.Renewal{ExpiresAt: until, Now: 2})
	require.NoError(t, err)
	return v
}

func readLease(t *testing.T, e engines.Engine, key string) (lease.Lease, engines.Version) {
	t.Helper()
	value, v, err := e.Get(context.Background(), engines.Leases, []byte(key), nil)
	require.NoError(t, err)
	var l lease.Lease
	require.NoError(t, l.UnmarshalBinary(value))
	return l, v
}

// TestRenewalsCollapse: renewals of one lease within a round are one delta, and
// a batch logs the renewals of its stripes before itself.
func TestRenewalsCollapse(t *testing.T) {
	mem := vfs.NewMem()
	e := mustOpen(t, mem, interval(time.Hour), map[string]any{"segment_bytes": 1 << 20})
	v := putLease(t, e, "a")
	before := e.log.Stats()
	for i := range 1000 {
		v = mustRenew(t, e, "a", v, int64(time.Hour)+int64(i))
	}
	require.Equal(t, before.Records, e.log.Stats().Records, "no renewal is logged by itself")
	require.NoError(t, e.index.Flush())
	after := e.log.Stats()
	require.Equal(t, before.Records+1, after.Records)
	require.EqualValues(t, 16+32, after.RecordBytes-before.RecordBytes)

	// What a batch builds on comes back with it, or neither does.
	v = mustRenew(t, e, "a", v, 7*int64(time.Hour))
	var b engines.Batch
	b.Require(engines.Leases, []byte("a"), v)
	b.Put(engines.Index, []byte("built on it"), nil)
	require.NoError(t, e.Apply(context.Background(), &b))
	require.NoError(t, e.log.Sync())
	crashed := mustOpen(t, mem.Kill(), syncClass, nil)
	l, got := readLease(t, crashed, "a")
	require.Equal(t, v, got)
	require.EqualValues(t, 1001, l.RenewalCount)
	require.Equal(t, 7*int64(time.Hour), l.ExpiresAt)
	mustClose(t, crashed)
	mustClose(t, e)
}

// TestRenewalsOfWhatIsReplacedAndDeleted: deltas that are in the list when the
// lease changes otherwise do no harm to what comes later.
func TestRenewalsOfWhatIsReplacedAndDeleted(t *testing.T) {
	mem := vfs.NewMem()
	e := mustOpen(t, mem, interval(time.Hour), map[string]any{"segment_bytes": 1 << 20})
	for round := range 20 {
		key := fmt.Sprintf("lease-%d", round%3)
		v := putLease(t, e, key)
		v = mustRenew(t, e, key, v, int64(time.Hour)+1)
		switch round % 4 {
		case 0: // in another block
			var b engines.Batch
			l := lease.New("node", 1, time.Hour, make([]byte, 500))
			value, err := l.AppendBinary(nil)
			require.NoError(t, err)
			b.Put(engines.Leases, []byte(key), value)
			require.NoError(t, e.Apply(context.Background(), &b))
			mustRenew(t, e, key, b.Ops[0].Assigned, int64(time.Hour)+2)
		case 1: // no lease any more
			put(t, e, engines.Leases, key, "none")
		case 2:
			var b engines.Batch
			b.Delete(engines.Leases, []byte(key))
			require.NoError(t, e.Apply(context.Background(), &b))
			put(t, e, engines.Nodes, key, "under the id of the lease, perhaps")
		case 3:
			var b engines.Batch
			b.Renew([]byte(key), lease.Renewal{ExpiresAt: int64(time.Hour) + 3, Now: 3})
			require.NoError(t, e.Apply(context.Background(), &b))
			mustRenew(t, e, key, v+1, int64(time.Hour)+4)
		}
	}
	want := readAll(t, e)
	require.NoError(t, e.index.Flush())
	for _, m := range []*vfs.Mem{mem.Kill()} {
		again := mustOpen(t, m, syncClass, nil)
		require.True(t, readAll(t, again).Equal(want))
		mustClose(t, again)
	}
	mustClose(t, e)
	again := mustOpen(t, mem, interval(time.Hour), nil)
	require.True(t, readAll(t, again).Equal(want))
	mustClose(t, again)
}

// slowSyncs is a file system whose writes to the log take a while when told so.
type slowSyncs struct {
	vfs.FS
	gate chan struct{} // a write waits until it can receive, or it is closed
}

func (s slowSyncs) OpenFile(name string, flag vfs.Flag) (vfs.File, error) {
	f, err := s.FS.OpenFile(name, flag)
	if err != nil || !strings.HasSuffix(name, ".wal") {
		return f, err
	}
	return slowFile{f, s.gate}, nil
}

type slowFile struct {
	vfs.File
	gate chan struct{}
}

func (f slowFile) WriteAt(b []byte, off int64) (int, error) {
	<-f.gate
	return f.File.WriteAt(b, off)
}

// TestLateRoundHoldsBack: while the device does not answer, a renewal is not
// acknowledged once the window is over.
func TestLateRoundHoldsBack(t *testing.T) {
	gate := make(chan struct{})
	open := func() { close(gate) }
	free := make(chan struct{})
	close(free)
	fsys := &slowSyncs{vfs.NewMem(), free}
	e := mustOpen(t, fsys, interval(20*time.Millisecond), map[string]any{"segment_bytes": 1 << 20})
	v := putLease(t, e, "a")
	mustClose(t, e)
	fsys.gate = gate
	opened := make(chan *engine)
	go func() { opened <- mustOpen(t, fsys, interval(20*time.Millisecond), nil) }()
	for e = nil; e == nil; {
		select {
		case gate <- struct{}{}: // what opening writes
		case e = <-opened:
		}
	}
	_, v = readLease(t, e, "a")
	deadline := time.Now().Add(time.Minute)
	held := make(chan time.Duration, 1)
	for i := int64(0); ; i++ {
		begin := time.Now()
		go func() {
			next, err := e.RenewLease(context.Background(), []byte("a"), v, lease.Renewal{ExpiresAt: int64(time.Hour) + i, Now: 2})
			if err != nil {
				t.Error(err)
			}
			v = next
			held <- time.Since(begin)
		}()
		select {
		case <-held:
			if time.Now().After(deadline) {
				t.Fatal("renewals are acknowledged although nothing reaches the device")
			}
			continue
		case <-time.After(200 * time.Millisecond):
		}
		break
	}
	open()
	<-held
	mustClose(t, e)
}

// TestLazyFailures: after a failed write of the log every renewal fails; a full
// disk refuses renewals before they change anything, and takes them again later.
func TestLazyFailures(t *testing.T) {
	mem := vfs.NewMem()
	faulty := vfs.NewFaulty(mem)
	e := mustOpen(t, faulty, interval(10*time.Millisecond), map[string]any{"segment_bytes": 1 << 20})
	v := putLease(t, e, "a")
	require.NoError(t, e.index.Flush())
	faulty.Set(vfs.Fault{Op: vfs.OpWrite, Name: ".wal", Err: unix.EIO})
	err := renewUntil(e, &v, func(err error) bool { return errors.Is(err, engines.ErrFailed) })
	require.ErrorIs(t, err, engines.ErrFailed)
	require.ErrorIs(t, e.Close(), engines.ErrFailed)

	e = mustOpen(t, mem, interval(10*time.Millisecond), map[string]any{"segment_bytes": 16384, "checkpoint_log_bytes": -1})
	_, v = readLease(t, e, "a")
	mem.SetFree(20_000)
	var b engines.Batch
	for err = nil; err == nil; {
		b.Reset()
		b.Put(engines.Nodes, []byte("filler"), make([]byte, 8000))
		err = e.Apply(context.Background(), &b)
	}
	require.ErrorIs(t, err, engines.ErrFull)
	err = renewUntil(e, &v, func(err error) bool { return errors.Is(err, engines.ErrFull) })
	require.ErrorIs(t, err, engines.ErrFull)
	_, now := readLease(t, e, "a")
	mem.SetFree(-1)
	require.Eventually(t, func() bool {
		next, err := e.RenewLease(context.Background(), []byte("a"), now, lease.Renewal{ExpiresAt: int64(time.Hour), Now: 2})
		return err == nil && next == now+1
	}, time.Minute, 5*time.Millisecond)
	mustClose(t, e)
}

// renewUntil renews until an error satisfies done, for a minute at most.
func renewUntil(e *engine, v *engines.Version, done func(error) bool) (err error) {
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); {
		var next engines.Version
		if next, err = e.RenewLease(context.Background(), []byte("a"), *v, lease.Renewal{ExpiresAt: int64(time.Hour), Now: 2}); err == nil {
			*v = next
			continue
		}
		if done(err) {
			return err
		}
		_, *v, _ = e.Get(context.Background(), engines.Leases, []byte("a"), nil)
	}
	return fmt.Errorf("a minute later the error is %v", err)
}
