package meta

import (
	"errors"
	"io/fs"
	"math"
	"path"
	"sync"
	"sync/atomic"

	"orbitbench/engines"
	"orbitbench/engines/internal/storedir"
	"orbitbench/engines/internal/vfs"
	"orbitbench/engines/internal/wal"
)

// Keeper holds the META of an open store. All methods are safe for concurrent use.
type Keeper struct {
	format Format
	fs     vfs.FS
	dir    string

	ceiling atomic.Uint64

	mu   sync.Mutex // held while META is written
	meta Meta       // Seed and Base change in Reserve only; the rest is guarded by mu

	highest uint64 // version that recovery met; set by Reserve
}

// Open reads the META in dir, or makes one if the directory is no store yet.
// A directory that has what only a store has (Leftover) and no META is damaged. Errors:
// *CorruptError, engines.ErrFull, those of the file system.
func Open(f Format, fsys vfs.FS, dir string) (*Keeper, error) {
	k := &Keeper{format: f, fs: fsys, dir: dir}
	var err error
	k.meta, err = f.ReadStore(fsys, dir)
	switch {
	case err == nil:
		// A kill may have come between META's rename and the sync of its name: a power
		// cut must not find what the store writes next beside an older META, or none.
		err = fsys.SyncDir(dir)
	case errors.Is(err, fs.ErrNotExist):
		if k.meta, err = New(); err == nil {
			err = f.Write(fsys, dir, k.meta)
		}
	}
	if err != nil {
		return nil, err
	}
	return k, nil
}

// Leftover names what only a store has in dir: a file of Ours, or a log; "" without one.
func (f Format) Leftover(fsys vfs.FS, dir string) (string, error) {
	return storedir.Leftover(fsys, dir, f.Ours)
}

// ReadStore is Read, but that a missing META beside what only a store has
// (Leftover) is a *CorruptError and not fs.ErrNotExist.
func (f Format) ReadStore(fsys vfs.FS, dir string) (Meta, error) {
	m, err := f.Read(fsys, dir)
	if !errors.Is(err, fs.ErrNotExist) {
		return m, err
	}
	rest, lerr := f.Leftover(fsys, dir)
	switch {
	case lerr != nil:
		return Meta{}, lerr
	case rest != "":
		return Meta{}, &engines.CorruptError{File: path.Join(dir, Name), Offset: -1, Reason: "is missing beside " + rest}
	}
	return Meta{}, err
}

// Meta returns what META says now.
func (k *Keeper) Meta() Meta {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.meta
}

// Seed returns the seed of the key hash.
func (k *Keeper) Seed() uint64 { return k.meta.Seed }

// Base returns the version base: what is assigned is above it.
func (k *Keeper) Base() uint64 { return k.meta.Base }

// Ceiling returns the highest version that may be assigned without Raise.
func (k *Keeper) Ceiling() uint64 { return k.ceiling.Load() }

// Reserve is called by Open once, before the first version is assigned. highest
// is the highest version that recovery met, that of deleted records included. If the store was in a
// class that may lose acknowledged commits and was not closed, every version up
// to its ceiling counts as used. Base is final when it returns. In such a class META is not written
// before the first version is assigned, which Raise does: until then it says what it did.
func (k *Keeper) Reserve(class engines.Class, highest uint64) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	m := k.meta
	m.Base = max(m.Base, m.Ceiling)
	if class != engines.Sync {
		k.meta.Base, k.highest = m.Base, highest
		k.ceiling.Store(m.Base)
		return nil
	}
	m.Ceiling = 0
	k.ceiling.Store(math.MaxUint64)
	if m == k.meta {
		return nil
	}
	if err := k.format.Write(k.fs, k.dir, m); err != nil {
		return err
	}
	k.meta = m
	return nil
}

// Raise makes sure that v may be assigned. It waits for the device: call it
// without locks that others need. Errors: engines.ErrFull, those of the file system.
func (k *Keeper) Raise(v engines.Version) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if uint64(v) <= k.ceiling.Load() {
		return nil
	}
	m := k.meta
	m.Ceiling = max(uint64(v), k.highest) + Stride
	if err := k.format.Write(k.fs, k.dir, m); err != nil {
		return err
	}
	k.meta.Ceiling = m.Ceiling
	k.ceiling.Store(m.Ceiling)
	return nil
}

// Close notes that the store was closed, everything acknowledged being durable, and
// that last was the highest record number of its log. No version may be
// assigned afterwards.
func (k *Keeper) Close(last uint64) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	m := k.meta
	m.Ceiling, m.Last = 0, last
	if err := k.format.Write(k.fs, k.dir, m); err != nil {
		return err
	}
	k.meta.Ceiling, k.meta.Last = m.Ceiling, m.Last
	return nil
}

// CloseLog closes the log, and then the store (Close) unless err, which is what went
// wrong before, or an error of the log: then META still says that it was not closed.
func (k *Keeper) CloseLog(log *wal.Log, err error) error {
	last := log.Stats().Next - 1
	if cerr := log.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return err
	}
	return k.Close(uint64(last))
}
