package bbolt

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime/debug"
	"time"

	bolt "go.etcd.io/bbolt"

	"orbitbench/engines"
	"orbitbench/engines/adapter"
)

// Driver opens bbolt stores.
type Driver struct{}

var info = engines.Info{
	Name:    "bbolt",
	Title:   "bbolt (COW B+ tree)",
	Role:    engines.Yardstick,
	Summary: "etcd's copy-on-write B+ tree in one memory-mapped file: one writer at a time, no log; each commit writes the changed pages, syncs, writes the meta page and syncs again.",
	Module:  "go.etcd.io/bbolt v1.5.0",
	Package: "orbitbench/engines/bbolt",
	Classes: []engines.Class{engines.None, engines.Process, engines.Sync},
	WhyNot: map[engines.Class]string{
		engines.Interval: "bbolt has no log; without a sync in each commit (NoSync) a power cut can leave a meta page whose tree pages never reached the device, so the loss is the store and not a window",
	},
	Configuration: "Freelist as a hash map and not synced, 10 GiB mapped, as etcd runs it (source: https://github.com/etcd-io/etcd/blob/v3.6.0/server/storage/backend/backend.go and config_linux.go), " +
		"without MAP_POPULATE, which would hide the cost of cold reads; page size, fill percent and growth are bbolt's defaults (source: https://pkg.go.dev/go.etcd.io/bbolt@v1.5.0#Options). " +
		"One Update transaction per commit: bbolt.Batch, which joins commits of several goroutines, is another row. " +
		"The cache is the kernel's page cache, which the memory budget does not bound. " +
		"Classes process and none set NoSync: commits reach the kernel and survive kill -9; a power cut may leave the file unreadable. " +
		"sync_parent_dir is off as in bbolt: its file creation is not made durable by a directory sync.",
}

// Info describes the engine.
func (Driver) Info() engines.Info { return info }

// Configure returns the effective configuration.
func (Driver) Configure(o engines.Options) (any, error) { return adapter.Effective(configure(o)) }

// fileName is the store's only file.
const fileName = "bbolt.db"

var (
	stateBucket = []byte("orbitbench")
	stateKey    = []byte("versions")
	buckets     = bucketNames()
)

func bucketNames() (names [engines.NumKeyspaces][]byte) {
	for i, ks := range engines.AllKeyspaces() {
		names[i] = []byte(ks.String())
	}
	return names
}

// Open opens the store in o.Dir, creating it if it is missing.
func (Driver) Open(ctx context.Context, o engines.Options) (engines.Engine, error) {
	return adapter.Open(ctx, info.Name, o, configure, func(dir string, c *effective) (engines.Engine, error) {
		e := newEngine(filepath.Join(dir, fileName), c)
		return e, e.open()
	})
}

// options returns the library's options. The wait for the lock is shorter than
// one retry: a store that is locked is an error at once.
func (c *effective) options() *bolt.Options {
	o := &bolt.Options{
		Timeout:         time.Millisecond,
		NoSync:          c.NoSync,
		NoFreelistSync:  c.NoFreelistSync,
		FreelistType:    bolt.FreelistType(c.FreelistType),
		InitialMmapSize: c.InitialMmapSize,
		PageSize:        c.PageSize,
		MaxSize:         c.MaxSize,
	}
	if c.MmapPopulate {
		o.MmapFlags = mapPopulate
	}
	return o
}

// openLibrary is bolt.Open, except that a panic about a damaged page becomes
// ErrCorrupt and leaves the file closed, and with that unlocked.
func (e *engine) openLibrary(mode fs.FileMode, o *bolt.Options) (db *bolt.DB, err error) {
	var file *os.File
	o.OpenFile = func(name string, flag int, mode os.FileMode) (f *os.File, err error) {
		file, err = os.OpenFile(name, flag, mode)
		return file, err
	}
	panicked := true
	defer func() {
		if panicked {
			e.recoveredOpen(recover(), file, &err)
		}
	}()
	db, err = bolt.Open(e.path, mode, o)
	panicked = false
	return db, e.mapError(err)
}

func (e *engine) recoveredOpen(p any, file *os.File, err *error) {
	*err = &engines.CorruptError{File: e.path, Offset: -1, Reason: fmt.Sprint(p)}
	if file != nil {
		// The mapping, which stays, keeps the lock alive beyond the file's Close.
		*err = errors.Join(*err, unlock(file), file.Close())
	}
}

func (e *engine) open() error {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	_, statErr := os.Stat(e.path)
	db, err := e.openLibrary(0o644, e.config.options())
	if err != nil {
		return err
	}
	e.db = db
	db.AllocSize = e.config.AllocSize
	if errors.Is(statErr, fs.ErrNotExist) && e.config.SyncParentDir {
		err = adapter.SyncFile(filepath.Dir(e.path))
	}
	var found adapter.VersionState
	if err == nil {
		found, err = e.readState()
	}
	if err != nil {
		return errors.Join(e.mapError(err), db.Close())
	}
	e.versions = adapter.NewVersions(found, e.config.VersionStride, e.persist)
	return nil
}

// readState is prepareBuckets with its panics caught. bbolt rolls a
// transaction back when one passes through View or Update.
func (e *engine) readState() (found adapter.VersionState, err error) {
	defer e.recoveredRead(&err, nil)
	return e.prepareBuckets()
}

// prepareBuckets makes what a new store lacks and reads the version state.
func (e *engine) prepareBuckets() (found adapter.VersionState, err error) {
	missing := false
	err = e.db.View(func(tx *bolt.Tx) error {
		for _, name := range buckets {
			missing = missing || tx.Bucket(name) == nil
		}
		state := tx.Bucket(stateBucket)
		if state == nil {
			missing = true
			return nil
		}
		if raw := state.Get(stateKey); raw != nil {
			return found.UnmarshalBinary(raw)
		}
		return nil
	})
	if err != nil || !missing {
		return found, err
	}
	return found, e.db.Update(func(tx *bolt.Tx) error {
		for _, name := range buckets {
			if _, err := tx.CreateBucketIfNotExists(name); err != nil {
				return err
			}
		}
		_, err := tx.CreateBucketIfNotExists(stateBucket)
		return err
	})
}
