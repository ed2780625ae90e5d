package pebble

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"orbitbench/engines"
)

// faultFS fails what matches once it is armed.
type faultFS struct {
	vfs.FS
	armed  atomic.Bool
	create func(name string) error // for Create and ReuseForWrite
	sync   func(name string) error
}

func (f *faultFS) Create(name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	if f.armed.Load() && f.create != nil {
		if err := f.create(name); err != nil {
			return nil, err
		}
	}
	file, err := f.FS.Create(name, c)
	return &faultFile{file, f, name}, err
}

func (f *faultFS) ReuseForWrite(oldname, newname string, c vfs.DiskWriteCategory) (vfs.File, error) {
	file, err := f.FS.ReuseForWrite(oldname, newname, c)
	return &faultFile{file, f, newname}, err
}

type faultFile struct {
	vfs.File
	fs   *faultFS
	name string
}

func (f *faultFile) fault() error {
	if f.fs.armed.Load() && f.fs.sync != nil {
		return f.fs.sync(f.name)
	}
	return nil
}

func (f *faultFile) Sync() error     { return errors.Join(f.fault(), f.File.Sync()) }
func (f *faultFile) SyncData() error { return errors.Join(f.fault(), f.File.SyncData()) }

func openFaulty(t *testing.T, class engines.Class, f *faultFS) (*engine, engines.Options) {
	t.Helper()
	o := engines.Options{Dir: filepath.Join(t.TempDir(), "s"), Durability: engines.Durability{Class: class}, MemoryBytes: 64 << 20}
	c, err := configure(o)
	if err != nil {
		t.Fatal(err)
	}
	e := newEngine(o.Dir, c, func(string, ...any) {})
	f.FS = vfs.Default
	e.fs.FS = f
	if err := f.FS.MkdirAll(o.Dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := e.open(); err != nil {
		t.Fatal(err)
	}
	return e, o
}

func put(e engines.Engine, key string) error {
	var b engines.Batch
	b.Put(engines.Nodes, []byte(key), []byte("value of "+key))
	return e.Apply(context.Background(), &b)
}

// within fails the test if f takes longer than any honest wait.
func within(t *testing.T, what string, f func() error) error {
	t.Helper()
	done := make(chan error, 1)
	go func() { done <- f() }()
	select {
	case err := <-done:
		return err
	case <-time.After(2 * time.Minute):
		t.Fatalf("%s does not return", what)
		return nil
	}
}

// checkFailed holds a failed engine to what the contract says of one, and
// opens its store again in the same process.
func checkFailed(t *testing.T, e *engine, o engines.Options, cause error, acknowledged ...string) {
	t.Helper()
	err := within(t, "Apply", func() error { return put(e, "after") })
	if !errors.Is(err, engines.ErrFailed) || !errors.Is(err, cause) {
		t.Errorf("Apply after the failure: %v, want ErrFailed with %v", err, cause)
	}
	if err := within(t, "Close", e.Close); !errors.Is(err, engines.ErrFailed) {
		t.Errorf("Close after the failure: %v, want ErrFailed", err)
	}
	again, err := Driver{}.Open(context.Background(), o)
	if err != nil {
		t.Fatalf("opening again: %v", err)
	}
	for _, key := range acknowledged {
		got, _, err := again.Get(context.Background(), engines.Nodes, []byte(key), nil)
		if err != nil || string(got) != "value of "+key {
			t.Errorf("%q is %q, %v after reopening", key, got, err)
		}
	}
	if err := errors.Join(put(again, "new"), again.Close()); err != nil {
		t.Error(err)
	}
}

func TestFailedLogSyncEndsTheEngine(t *testing.T) {
	f := &faultFS{sync: func(name string) error {
		if strings.HasSuffix(name, ".log") {
			return syscall.EIO
		}
		return nil
	}}
	e, o := openFaulty(t, engines.Sync, f)
	if err := put(e, "first"); err != nil {
		t.Fatal(err)
	}
	f.armed.Store(true)
	if err := within(t, "Apply", func() error { return put(e, "second") }); !errors.Is(err, engines.ErrFailed) || !errors.Is(err, syscall.EIO) {
		t.Errorf("Apply over a failing sync: %v, want ErrFailed with EIO", err)
	}
	f.armed.Store(false)
	checkFailed(t, e, o, syscall.EIO, "first")
}

// TestFatalBackgroundError makes the sync of a MANIFEST fail in a flush, where
// Pebble calls Logger.Fatalf on a goroutine of its own.
func TestFatalBackgroundError(t *testing.T) {
	f := &faultFS{sync: func(name string) error {
		if strings.Contains(name, "MANIFEST") {
			return syscall.EIO
		}
		return nil
	}}
	e, o := openFaulty(t, engines.Sync, f)
	if err := put(e, "first"); err != nil {
		t.Fatal(err)
	}
	f.armed.Store(true)
	go func() { _ = e.Checkpoint(context.Background()) }() // may never return, see doc.go
	for start := time.Now(); e.gate.Failure() == nil; time.Sleep(time.Millisecond) {
		if time.Since(start) > 2*time.Minute {
			t.Fatal("a failed MANIFEST sync is not noticed")
		}
	}
	if err := e.gate.Failure(); !strings.Contains(err.Error(), "MANIFEST sync failed") {
		t.Errorf("failed with %v", err)
	}
	f.armed.Store(false)
	checkFailed(t, e, o, engines.ErrFailed, "first")
}

// TestNoSpaceForNewLog lets the log be rotated on a full device, where Pebble
// would panic with its commit lock held.
func TestNoSpaceForNewLog(t *testing.T) {
	f := &faultFS{create: func(name string) error {
		if strings.HasSuffix(name, ".log") {
			return syscall.ENOSPC
		}
		return nil
	}}
	e, o := openFaulty(t, engines.Sync, f)
	if err := put(e, "first"); err != nil {
		t.Fatal(err)
	}
	f.armed.Store(true)
	err := within(t, "Checkpoint and Apply", func() error {
		err := e.Checkpoint(context.Background())
		return errors.Join(err, put(e, "second"))
	})
	if !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("on a full device: %v, want ENOSPC", err)
	}
	f.armed.Store(false)
	checkFailed(t, e, o, syscall.ENOSPC, "first")
}

// TestFullDeviceRefusesCommits plays the events of a flush that finds no space
// and of one that succeeds.
func TestFullDeviceRefusesCommits(t *testing.T) {
	e, _ := openFaulty(t, engines.Process, &faultFS{})
	if err := put(e, "first"); err != nil {
		t.Fatal(err)
	}
	e.backgroundError(fmt.Errorf("flush: %w", syscall.ENOSPC))
	if err := put(e, "second"); !errors.Is(err, engines.ErrFull) {
		t.Errorf("Apply on a full device: %v, want ErrFull", err)
	}
	if _, _, err := e.Get(context.Background(), engines.Nodes, []byte("first"), nil); err != nil {
		t.Errorf("Get on a full device: %v", err)
	}
	if err := e.Checkpoint(context.Background()); err != nil {
		t.Fatal(err)
	}
	if err := put(e, "second"); err != nil {
		t.Errorf("Apply when there is space again: %v", err)
	}
	if err := e.Close(); err != nil {
		t.Error(err)
	}
}

func TestProcessClassSyncsNoLog(t *testing.T) {
	var syncs atomic.Int64
	f := &faultFS{sync: func(name string) error {
		if strings.HasSuffix(name, ".log") {
			syncs.Add(1)
		}
		return nil
	}}
	f.armed.Store(true)
	e, _ := openFaulty(t, engines.Process, f)
	for i := range 20 {
		if err := put(e, fmt.Sprint(i)); err != nil {
			t.Fatal(err)
		}
	}
	if n := syncs.Load(); n != 0 || e.Stats().Flushes != 0 {
		t.Errorf("%d log syncs, %d counted, want none", n, e.Stats().Flushes)
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestSyncBeforeMarker(t *testing.T) {
	o := engines.Options{Dir: filepath.Join(t.TempDir(), "s"), Durability: engines.Durability{Class: engines.Sync}, Config: map[string]any{"sync_before_marker": true}}
	e, err := Driver{}.Open(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(put(e, "first"), e.Close()); err != nil {
		t.Fatal(err)
	}
}
