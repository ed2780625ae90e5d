package pebble

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"orbitbench/engines"
)

// heldFS holds every sync of a log once hold is set.
type heldFS struct {
	vfs.FS
	hold, entered chan struct{}
}

type heldFile struct {
	vfs.File
	fs *heldFS
}

func (h *heldFS) wrap(f vfs.File, name string, err error) (vfs.File, error) {
	if err != nil || !strings.HasSuffix(name, ".log") {
		return f, err
	}
	return &heldFile{f, h}, nil
}

func (h *heldFS) Create(name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	f, err := h.FS.Create(name, c)
	return h.wrap(f, name, err)
}

func (h *heldFS) ReuseForWrite(old, name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	f, err := h.FS.ReuseForWrite(old, name, c)
	return h.wrap(f, name, err)
}

func (f *heldFile) wait() {
	select {
	case f.fs.entered <- struct{}{}:
	default:
	}
	<-f.fs.hold
}

func (f *heldFile) Sync() error     { f.wait(); return f.File.Sync() }
func (f *heldFile) SyncData() error { f.wait(); return f.File.SyncData() }

// TestNoLatchThroughASync holds the sync of a commit and demands that meanwhile
// its key can be read and committed to again, and so can every other.
func TestNoLatchThroughASync(t *testing.T) {
	ctx := context.Background()
	c, err := configure(engines.Options{Durability: engines.Durability{Class: engines.Sync}})
	if err != nil {
		t.Fatal(err)
	}
	e := newEngine(t.TempDir(), c, t.Logf)
	open := make(chan struct{})
	close(open)
	held := &heldFS{FS: vfs.Default, hold: open, entered: make(chan struct{}, 1)}
	e.fs.FS = held
	if err := e.open(); err != nil {
		t.Fatal(err)
	}
	put := func(key string) error {
		var b engines.Batch
		b.Put(engines.Nodes, []byte(key), []byte("v"))
		return e.Apply(ctx, &b)
	}
	if err := put("first"); err != nil { // which reserves versions, durably
		t.Fatal(err)
	}
	select {
	case <-held.entered:
	default:
	}
	held.hold = make(chan struct{}) // no sync is under way: all commits have returned
	done := make(chan error, 3)
	go func() { done <- put("hot") }()
	<-held.entered
	var created engines.Version
	for deadline := time.Now().Add(time.Minute); created == 0; time.Sleep(time.Millisecond) {
		// Pebble hands a commit to the log before it makes it visible: the sync may begin first.
		if _, created, err = e.Get(ctx, engines.Nodes, []byte("hot"), nil); err != nil && time.Now().After(deadline) {
			t.Fatalf("reading a key whose commit waits for the device: %v", err)
		}
	}
	go func() { done <- put("hot") }()
	go func() { done <- put("other") }()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(time.Millisecond) {
		_, hot, _ := e.Get(ctx, engines.Nodes, []byte("hot"), nil)
		_, other, _ := e.Get(ctx, engines.Nodes, []byte("other"), nil)
		if hot > created && other != 0 {
			break // both wrote behind the commit whose sync is held
		}
		if time.Now().After(deadline) {
			t.Fatalf("a commit waits for a sync that is not its own: versions %d and %d", hot, other)
		}
	}
	if len(done) != 0 {
		t.Errorf("%d commits returned before the sync", len(done))
	}
	close(held.hold)
	for range 3 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	if err := e.Close(); err != nil {
		t.Error(err)
	}
}
