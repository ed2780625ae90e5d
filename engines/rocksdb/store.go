//go:build rocksdb && cgo

package rocksdb

// #cgo LDFLAGS: -lrocksdb
// #include "rocksdb/c.h"
// #include "shim.h"
// #cgo noescape ob_renew_lease
// #cgo nocallback ob_renew_lease
import "C"

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"unsafe"

	"github.com/linxGnu/grocksdb"

	"orbitbench/engines"
	"orbitbench/engines/adapter"
	"orbitbench/engines/lease"
)

// store is an open RocksDB with everything in C memory that belongs to it.
type store struct {
	dir     string
	db      *grocksdb.DB
	options *grocksdb.Options
	tables  *grocksdb.BlockBasedTableOptions
	cache   *grocksdb.Cache
	flush   *grocksdb.FlushOptions
	read    *grocksdb.ReadOptions
	write   *grocksdb.WriteOptions // of a commit
	durable *grocksdb.WriteOptions // of the version state
	handles grocksdb.ColumnFamilyHandles

	cfs [engines.NumKeyspaces]columnFamily
	raw unsafe.Pointer // rocksdb_t*
}

// columnFamily is what a read and a write need to know of one.
type columnFamily struct {
	handle unsafe.Pointer // rocksdb_column_family_handle_t*
	id     uint32
}

// handle returns the C pointer of one of grocksdb's objects. grocksdb keeps it
// in the first field of each and gives no other access; checkHandles holds it to that.
func handle[T any](p *T) unsafe.Pointer { return *(*unsafe.Pointer)(unsafe.Pointer(p)) }

func checkHandles() error {
	for _, object := range []any{grocksdb.DB{}, grocksdb.ColumnFamilyHandle{}, grocksdb.ReadOptions{}, grocksdb.WriteOptions{}, grocksdb.Iterator{}} {
		t := reflect.TypeOf(object)
		if f := t.Field(0); f.Name != "c" || f.Type.Kind() != reflect.Pointer || f.Offset != 0 {
			return fmt.Errorf("%w: this version of grocksdb keeps no C pointer in the first field of %s", engines.ErrUnsupported, t)
		}
	}
	return nil
}

// newStore returns a store that is not open yet.
func newStore(dir string, c *effective) *store {
	s := &store{
		dir:     dir,
		options: grocksdb.NewDefaultOptions(),
		tables:  grocksdb.NewDefaultBlockBasedTableOptions(),
		cache:   grocksdb.NewLRUCache(uint64(c.BlockCacheSize)),
		flush:   grocksdb.NewDefaultFlushOptions(),
		read:    grocksdb.NewDefaultReadOptions(),
		write:   grocksdb.NewDefaultWriteOptions(),
		durable: grocksdb.NewDefaultWriteOptions(),
	}
	s.configure(c)
	return s
}

// columnFamilies are the names, the default one first.
func columnFamilies() []string {
	names := []string{"default"}
	for _, ks := range engines.AllKeyspaces() {
		names = append(names, ks.String())
	}
	return names
}

func openStore(dir string, c *effective) (_ *store, err error) {
	if err := checkHandles(); err != nil {
		return nil, err
	}
	s, names := newStore(dir, c), columnFamilies()
	options := slices.Repeat([]*grocksdb.Options{s.options}, len(names))
	if s.db, s.handles, err = grocksdb.OpenDbColumnFamilies(s.options, dir, names, options); err != nil {
		s.close()
		return nil, mapError(dir, err)
	}
	s.attach()
	return s, nil
}

// attach notes the C pointers of an open store.
func (s *store) attach() {
	s.raw = handle(s.db)
	for i := range s.cfs {
		h := s.handles[i+1]
		s.cfs[i] = columnFamily{handle: handle(h), id: h.ID()}
	}
}

func (s *store) configure(c *effective) {
	s.flush.SetWait(true)
	switch c.durability.Class {
	case engines.None:
		s.write.DisableWAL(true)
		s.durable.DisableWAL(true) // and flushed, see engine.persist
	case engines.Sync:
		s.write.SetSync(c.Commit == commitWriteSync)
		s.durable.SetSync(true)
	default:
		s.durable.SetSync(true)
	}
	t := s.tables
	t.SetBlockCache(s.cache)
	t.SetBlockSize(c.BlockSize)
	t.SetCacheIndexAndFilterBlocks(true)
	t.SetPinL0FilterAndIndexBlocksInCache(true)
	t.SetFormatVersion(5)
	if c.BloomBitsPerKey > 0 {
		t.SetFilterPolicy(grocksdb.NewBloomFilter(float64(c.BloomBitsPerKey))) // owned by t
	}
	o := s.options
	o.SetBlockBasedTableFactory(t)
	o.SetCreateIfMissing(c.CreateIfMissing)
	o.SetCreateIfMissingColumnFamilies(true)
	if c.EnableStatistics {
		o.EnableStatistics()
	}
	o.SetCompression(grocksdb.CompressionType(slices.Index(compressions, c.CompressionType)))
	o.SetDbWriteBufferSize(uint64(c.DBWriteBufferSize))
	o.SetWriteBufferSize(uint64(c.WriteBufferSize))
	o.SetMaxWriteBufferNumber(c.MaxWriteBufferNumber)
	o.SetTargetFileSizeBase(uint64(c.TargetFileSizeBase))
	o.SetLevelCompactionDynamicLevelBytes(c.LevelCompactionDynamicLevelBytes)
	o.SetMaxBackgroundJobs(c.MaxBackgroundJobs)
	o.SetBytesPerSync(uint64(c.BytesPerSync))
	o.SetEnablePipelinedWrite(c.EnablePipelinedWrite)
	o.SetAtomicFlush(c.AtomicFlush)
	o.SetInfoLogLevel(grocksdb.InfoInfoLogLevel) // events.go reads it
}

// close frees everything. Whoever uses an iterator or a snapshot must have freed it.
func (s *store) close() {
	for _, h := range s.handles {
		h.Destroy()
	}
	if s.db != nil {
		s.db.Close()
	}
	s.durable.Destroy()
	s.write.Destroy()
	s.read.Destroy()
	s.flush.Destroy()
	s.options.Destroy()
	s.tables.Destroy()
	s.cache.Destroy()
}

// get reads the record under key into buf[:0], which grows if it must, or
// returns ErrNotFound.
func (s *store) get(ro *grocksdb.ReadOptions, ks engines.Keyspace, key, buf []byte) ([]byte, error) {
	return s.getCF(ro, s.cfs[ks].handle, key, buf)
}

func (s *store) getCF(ro *grocksdb.ReadOptions, cf unsafe.Pointer, key, buf []byte) ([]byte, error) {
	for {
		r := C.ob_get(s.raw, handle(ro), cf, pointer(key), C.size_t(len(key)), pointer(buf), C.size_t(cap(buf)))
		if r.err != nil {
			return buf[:0], s.takeError(r.err)
		}
		if r.found == 0 {
			return buf[:0], engines.ErrNotFound
		}
		if int(r.len) <= cap(buf) {
			return buf[:r.len], nil
		}
		buf = make([]byte, 0, r.len) // and again: it may have grown meanwhile
	}
}

// renew renews the lease under key in one crossing. done is false if Go must find
// out what is wrong; have is set with a conflict; size is that of the batch that
// was written. wrote tells an error of the write from one of the read.
func (s *store) renew(key []byte, held, next engines.Version, r lease.Renewal) (out renewed, err error) {
	args := C.ob_renewal{held: C.uint64_t(held), next: C.uint64_t(next), expires_at: C.int64_t(r.ExpiresAt), now: C.int64_t(r.Now)}
	c := C.ob_renew_lease(s.raw, handle(s.read), handle(s.write), s.cfs[engines.Leases].handle, pointer(key), C.size_t(len(key)), &args)
	out = renewed{have: engines.Version(c.have), done: c.outcome != C.OB_SLOW, wrote: c.wrote != 0, size: uint64(c.len)}
	if c.err != nil {
		return out, s.takeError(c.err)
	}
	return out, nil
}

// renewed is what came of a renewal in C.
type renewed struct {
	have        engines.Version
	done, wrote bool
	size        uint64
}

// apply writes a batch.
func (s *store) apply(wo *grocksdb.WriteOptions, b *batch) error {
	return s.takeError(C.ob_write(s.raw, handle(wo), pointer(b.rep), C.size_t(len(b.rep))))
}

// syncWAL makes everything written to the log durable.
func (s *store) syncWAL() error { return s.takeError(C.ob_sync_wal(s.raw)) }

// scan calls yield for the records of [from, to) as ro sees them, or as they
// are now if it has no snapshot.
func (s *store) scan(ctx context.Context, ro *grocksdb.ReadOptions, ks engines.Keyspace, from, to []byte, yield func(key, record []byte) error) error {
	if to != nil && len(to) == 0 {
		return nil // nothing is below the empty key
	}
	it := s.db.NewIteratorCF(ro, s.handles[int(ks)+1])
	defer it.Close()
	C.ob_seek(handle(it), pointer(from), C.size_t(len(from)))
	return adapter.ScanChunks(ctx, func(buf []byte) (adapter.Chunk, error) {
		c := C.ob_next(handle(it), pointer(to), C.size_t(len(to)), pointer(buf), C.size_t(len(buf)))
		return adapter.Chunk{Bytes: int(c.len), Count: int(c.count), Done: c.done != 0}, s.takeError(c.err)
	}, yield)
}

// pointer returns the address of the bytes of b, NULL if b has no memory.
func pointer(b []byte) unsafe.Pointer { return unsafe.Pointer(unsafe.SliceData(b)) }

// takeError turns an error of the C API into a Go error and frees it.
func (s *store) takeError(e *C.char) error {
	if e == nil {
		return nil
	}
	text := C.GoString(e)
	C.rocksdb_free(unsafe.Pointer(e))
	return mapError(s.dir, errors.New(text))
}

// placeForm is how RocksDB says where a damaged block lies.
var placeForm = regexp.MustCompile(` in (\S+\.(?:sst|log)) offset (\d{1,18})`)

// corruptError is damage in the store in dir, with its place if the text tells it.
func corruptError(dir, text string) error {
	c := &engines.CorruptError{File: dir, Offset: -1, Reason: text}
	if m := placeForm.FindStringSubmatch(text); m != nil {
		c.File = m[1]
		if at, err := strconv.ParseInt(m[2], 10, 64); err == nil {
			c.Offset = at
		}
	}
	return c
}

// statusError is a RocksDB status that names an error of the system.
type statusError struct {
	text  string
	errno syscall.Errno
}

func (e *statusError) Error() string { return e.text }
func (e *statusError) Unwrap() error { return e.errno }

// mapError turns the text of a RocksDB status into the contract's errors: the C
// API hands over nothing else.
func mapError(dir string, err error) error {
	if err == nil || errors.Is(err, engines.ErrCorrupt) {
		return err
	}
	text := err.Error()
	switch {
	case errors.Is(err, adapter.ErrRecord), strings.HasPrefix(text, "Corruption:"):
		return corruptError(dir, text)
	case strings.Contains(text, "While lock file: "), strings.Contains(text, "lock hold by current process"):
		if strings.Contains(text, "Permission denied") { // to open the file, not to lock it
			return &statusError{text, syscall.EACCES}
		}
		return fmt.Errorf("%w: %s", engines.ErrLocked, text)
	case strings.Contains(text, "No space left on device"), strings.Contains(text, "Disk quota exceeded"), strings.Contains(text, "Max allowed space was reached"):
		return adapter.MapError(&statusError{text, syscall.ENOSPC})
	}
	for _, errno := range []syscall.Errno{syscall.EIO, syscall.EROFS, syscall.EACCES, syscall.EMFILE} {
		if strings.Contains(strings.ToLower(text), strings.ToLower(errno.Error())) {
			return &statusError{text, errno}
		}
	}
	return err
}
