//go:build rocksdb && cgo

package rocksdb

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/linxGnu/grocksdb"

	"orbitbench/engines"
	"orbitbench/engines/adapter"
	"orbitbench/engines/lease"
)

// TestBatchBytes compares our batch with the one that the library builds.
func TestBatchBytes(t *testing.T) {
	c, err := configure(engines.Options{Durability: engines.Durability{Class: engines.Sync}})
	if err != nil {
		t.Fatal(err)
	}
	s, err := openStore(t.TempDir(), c)
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	ours, theirs := batch{}, grocksdb.NewWriteBatch()
	defer theirs.Destroy()
	ours.reset()
	long := bytes.Repeat([]byte("x"), 300)
	for i, ks := range engines.AllKeyspaces() {
		key := long[:1+50*i]
		ours.put(s.cfs[ks].id, key, engines.Version(i+1), long)
		theirs.PutCF(s.handles[i+1], key, adapter.AppendRecord(nil, engines.Version(i+1), long))
		ours.delete(s.cfs[ks].id, key)
		theirs.DeleteCF(s.handles[i+1], key)
	}
	ours.putDefault(stateKey, long)
	theirs.PutCF(s.handles[0], stateKey, long)
	if !bytes.Equal(ours.rep, theirs.Data()) {
		t.Errorf("our batch is\n%x, the library's\n%x", ours.rep, theirs.Data())
	}
}

func TestMapError(t *testing.T) {
	for text, want := range map[string]error{
		"Corruption: block checksum mismatch: stored = 1":                                                    engines.ErrCorrupt,
		"IO error: No space left on device: While appending to file: /d/000012.log: No space left on device": engines.ErrFull,
		"IO error: lock hold by current process, acquire time 1 acquiring thread 2: /d/LOCK: No locks":       engines.ErrLocked,
		"IO error: While lock file: /d/LOCK: Resource temporarily unavailable":                               engines.ErrLocked,
		"IO error: While open a file for lock: /d/LOCK: Permission denied":                                   fs.ErrPermission,
		"IO error: While fdatasync: /d/000012.log: Input/output error":                                       syscall.EIO,
		"IO error: While mkdir if missing: /d: Read-only file system":                                        syscall.EROFS,
	} {
		if err := mapError("/d", errors.New(text)); !errors.Is(err, want) {
			t.Errorf("%q becomes %v, want %v", text, err, want)
		}
	}
	if mapError("/d", nil) != nil {
		t.Error("nil becomes an error")
	}
}

// TestDamagedTable flips bytes of a table: reading gives ErrCorrupt.
func TestDamagedTable(t *testing.T) {
	ctx := context.Background()
	o := engines.Options{Dir: filepath.Join(t.TempDir(), "s"), Durability: engines.Durability{Class: engines.Sync}}
	e, err := Driver{}.Open(ctx, o)
	if err != nil {
		t.Fatal(err)
	}
	var b engines.Batch
	for i := range 200 {
		b.Put(engines.Nodes, []byte{byte(i)}, bytes.Repeat([]byte{byte(i)}, 500))
	}
	if err := errors.Join(e.Apply(ctx, &b), e.(engines.Checkpointer).Checkpoint(ctx), e.Close()); err != nil {
		t.Fatal(err)
	}
	tables, err := filepath.Glob(filepath.Join(o.Dir, "*.sst"))
	if err != nil || len(tables) == 0 {
		t.Fatalf("no tables (%v)", err)
	}
	for _, name := range tables {
		raw, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for i := range raw[:len(raw)/4] {
			raw[i] ^= 0x55
		}
		if err := os.WriteFile(name, raw, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var damage *engines.CorruptError
	if _, err := (Driver{}).Verify(ctx, o.Dir, nil); !errors.As(err, &damage) || filepath.Ext(damage.File) != ".sst" || damage.Offset < 0 {
		t.Errorf("verifying damaged tables: %v, want ErrCorrupt with table and offset", err)
	}
	e, err = Driver{}.Open(ctx, o)
	if err == nil {
		err = e.Scan(ctx, engines.Nodes, nil, nil, func(_, _ []byte, _ engines.Version) error { return nil })
		if closeErr := e.Close(); closeErr != nil {
			t.Error(closeErr)
		}
	}
	if !errors.Is(err, engines.ErrCorrupt) {
		t.Errorf("reading damaged tables: %v, want ErrCorrupt", err)
	}
}

// TestOneCrossingPerRenewal counts the calls of C.
func TestOneCrossingPerRenewal(t *testing.T) {
	ctx := context.Background()
	o := engines.Options{Dir: filepath.Join(t.TempDir(), "s"), Durability: engines.Durability{Class: engines.Process}}
	opened, err := Driver{}.Open(ctx, o)
	if err != nil {
		t.Fatal(err)
	}
	e := opened.(*engine)
	defer e.Close()
	for _, custom := range []int{0, 5000} { // on the stack in C, and not
		l := lease.New("node", 0, time.Hour, make([]byte, custom))
		record, err := l.AppendBinary(nil)
		if err != nil {
			t.Fatal(err)
		}
		var b engines.Batch
		b.Put(engines.Leases, []byte("actor"), record)
		if err := e.Apply(ctx, &b); err != nil {
			t.Fatal(err)
		}
		v, before := b.Ops[0].Assigned, runtime.NumCgoCall()
		for range 10 {
			if v, err = e.RenewLease(ctx, []byte("actor"), v, lease.Renewal{ExpiresAt: 1 << 60, Now: 1}); err != nil {
				t.Fatal(err)
			}
		}
		if n := runtime.NumCgoCall() - before; n != 10 {
			t.Errorf("%d crossings for 10 renewals, want one each", n)
		}
	}
	if _, err = e.RenewLease(ctx, []byte("actor"), 1<<62, lease.Renewal{ExpiresAt: 1 << 60, Now: 1}); !errors.Is(err, engines.ErrConflict) {
		t.Errorf("renewing with a version that was never given: %v, want ErrConflict", err)
	}
	if c := e.versions.Ceiling(); c >= 1<<60 {
		t.Errorf("an absurd version raised the ceiling to %d", c)
	}
}

// TestNoLatchThroughASync holds a sync and demands that meanwhile the key whose
// commit waits for it can be read and committed to, and so can every other.
func TestNoLatchThroughASync(t *testing.T) {
	ctx := context.Background()
	o := engines.Options{Dir: filepath.Join(t.TempDir(), "s"), Durability: engines.Durability{Class: engines.Sync}}
	opened, err := Driver{}.Open(ctx, o)
	if err != nil {
		t.Fatal(err)
	}
	e := opened.(*engine)
	defer e.Close()
	hold, entered := make(chan struct{}), make(chan struct{}, 8)
	inner := e.walSync.sync
	e.walSync.sync = func() error {
		entered <- struct{}{}
		<-hold
		return inner()
	}
	done := make(chan error, 3)
	put := func(key string) {
		var b engines.Batch
		b.Put(engines.Nodes, []byte(key), []byte("v"))
		done <- e.Apply(ctx, &b)
	}
	go put("hot")
	<-entered // it will wait for the device until hold is closed
	if _, v, err := e.Get(ctx, engines.Nodes, []byte("hot"), nil); err != nil || v != 1 {
		t.Errorf("reading meanwhile: version %d, %v", v, err)
	}
	go put("hot")
	go put("other")
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(time.Millisecond) {
		_, v, err := e.Get(ctx, engines.Nodes, []byte("hot"), nil)
		_, _, otherErr := e.Get(ctx, engines.Nodes, []byte("other"), nil)
		if err == nil && v == 2 && otherErr == nil {
			break // both are written, and wait for the next sync
		}
		if time.Now().After(deadline) {
			t.Fatalf("a commit waits for a sync that is not its own: %v, %v", err, otherErr)
		}
	}
	close(hold)
	for range 3 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	if n := e.walSync.count(); n > 3 {
		t.Errorf("%d syncs for three commits", n)
	}
}
