//go:build lmdb && cgo

package lmdb

// #cgo LDFLAGS: -llmdb
// #include <stdlib.h>
// #include "shim.h"
// #cgo noescape lm_renew_lease
// #cgo nocallback lm_renew_lease
// #cgo noescape lm_get
// #cgo nocallback lm_get
// #cgo noescape lm_commit
// #cgo nocallback lm_commit
import "C"

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"unsafe"

	"orbitbench/engines"
	"orbitbench/engines/adapter"
	"orbitbench/engines/lease"
)

// stateDatabase is the number of the database with the version state.
const stateDatabase = engines.Keyspace(engines.NumKeyspaces)

// store is an open environment.
type store struct {
	path string // of the data file
	c    *C.ob_store

	mu      sync.Mutex
	free    []*C.MDB_txn // guarded by mu; read transactions that are reset
	readers []*C.MDB_txn // guarded by mu; every one that was begun
}

func openStore(dir string, c *effective) (*store, error) {
	s := &store{path: filepath.Join(dir, dataName), c: (*C.ob_store)(C.calloc(1, C.sizeof_ob_store))}
	flags := C.uint(C.MDB_NOTLS)
	for flag, set := range map[C.uint]bool{C.MDB_NOSYNC: c.NoSync, C.MDB_WRITEMAP: c.WriteMap, C.MDB_NORDAHEAD: c.NoReadahead} {
		if set {
			flags |= flag
		}
	}
	cdir := C.CString(dir)
	defer C.free(unsafe.Pointer(cdir))
	var names [C.OB_DATABASES]*C.char
	for i, name := range databases() {
		names[i] = C.CString(name)
		defer C.free(unsafe.Pointer(names[i]))
	}
	size, err := s.checkSize()
	if err == nil {
		err = s.code(C.lm_open(s.c, cdir, &names[0], C.size_t(c.MapSize), C.uint(c.MaxReaders), flags))
	}
	if err == nil && size > 0 {
		_, err = s.checkSize()
	}
	if err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

// close ends every read transaction and the environment.
func (s *store) close() {
	for _, txn := range s.readers {
		C.mdb_txn_abort(txn)
	}
	s.readers, s.free = nil, nil
	if s.c.env != nil {
		C.mdb_env_close(s.c.env)
	}
	C.free(unsafe.Pointer(s.c))
	s.c = nil
}

// checkSize demands that the file holds every page that its meta page speaks
// of: a page beyond the end would end the process when it is read. Before the
// store is opened it reads the meta pages itself.
func (s *store) checkSize() (size int64, err error) {
	f, err := os.Open(s.path)
	if errors.Is(err, os.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	defer f.Close() // of a file that was only read
	info, err := f.Stat()
	if err != nil || info.Size() == 0 {
		return 0, err
	}
	m, err := readMeta(f, s.path)
	if err == nil && info.Size() < m.bytes() {
		err = &engines.CorruptError{File: s.path, Offset: info.Size(), Reason: fmt.Sprintf("the file ends here, its meta page speaks of %d bytes", m.bytes())}
	}
	return info.Size(), err
}

// reader takes a read transaction, reset, for release to take back.
func (s *store) reader() (*C.MDB_txn, error) {
	s.mu.Lock()
	if n := len(s.free); n > 0 {
		txn := s.free[n-1]
		s.free = s.free[:n-1]
		s.mu.Unlock()
		return txn, nil
	}
	s.mu.Unlock()
	var txn *C.MDB_txn
	if err := s.code(C.lm_reader(s.c, &txn)); err != nil {
		return nil, err
	}
	s.mu.Lock()
	s.readers = append(s.readers, txn)
	s.mu.Unlock()
	return txn, nil
}

func (s *store) release(txn *C.MDB_txn) {
	s.mu.Lock()
	s.free = append(s.free, txn)
	s.mu.Unlock()
}

// read reads the latest record under key into buf[:0], which grows if it must,
// or returns ErrNotFound.
func (s *store) read(db engines.Keyspace, key, buf []byte) ([]byte, error) {
	txn, err := s.reader()
	if err != nil {
		return buf[:0], err
	}
	defer s.release(txn)
	return s.get(txn, 1, db, key, buf)
}

func (s *store) get(txn *C.MDB_txn, latest C.int, db engines.Keyspace, key, buf []byte) ([]byte, error) {
	for {
		r := C.lm_get(txn, latest, s.c.dbis[db], pointer(key), C.size_t(len(key)), pointer(buf), C.size_t(cap(buf)))
		if r.rc != 0 {
			return buf[:0], s.code(r.rc)
		}
		if int(r.len) <= cap(buf) {
			return buf[:r.len], nil
		}
		buf = make([]byte, 0, r.len) // and again: it may have grown meanwhile
	}
}

// commit carries out operations in one transaction (see adapter.Ops). Only the holder
// of the writer lock may call it.
func (s *store) commit(o *adapter.Ops, flush bool) error {
	wait := C.int(0)
	if flush {
		wait = 1
	}
	return s.code(C.lm_commit(s.c, pointer(o.Bytes()), C.size_t(len(o.Bytes())), wait))
}

// renew renews a lease in one transaction. done is false if Go must find out
// what is wrong; have is set with a conflict.
func (s *store) renew(key []byte, held, next engines.Version, r lease.Renewal) (have engines.Version, done bool, err error) {
	args := C.ob_renewal{held: C.uint64_t(held), next: C.uint64_t(next), expires_at: C.int64_t(r.ExpiresAt), now: C.int64_t(r.Now)}
	out := C.lm_renew_lease(s.c, pointer(key), C.size_t(len(key)), &args)
	if out.rc != 0 {
		return 0, false, s.code(out.rc)
	}
	return engines.Version(out.have), out.outcome != C.OB_SLOW, nil
}

// scan calls yield for the records of [from, to) in an active transaction.
func (s *store) scan(ctx context.Context, txn *C.MDB_txn, db engines.Keyspace, from, to []byte, yield func(key, record []byte) error) error {
	if to != nil && len(to) == 0 {
		return nil // nothing is below the empty key
	}
	var cursor *C.MDB_cursor
	var found C.int
	if err := s.code(C.lm_seek(txn, s.c.dbis[db], pointer(from), C.size_t(len(from)), &cursor, &found)); err != nil {
		return err
	}
	defer C.mdb_cursor_close(cursor)
	if found == 0 {
		return nil
	}
	return adapter.ScanChunks(ctx, func(buf []byte) (adapter.Chunk, error) {
		c := C.lm_next(cursor, pointer(to), C.size_t(len(to)), pointer(buf), C.size_t(len(buf)))
		return adapter.Chunk{Bytes: int(c.len), Count: int(c.count), Done: c.done != 0}, s.code(c.rc)
	}, yield)
}

// begin makes a transaction of reader see the store as it is now, until end.
func (s *store) begin(txn *C.MDB_txn) error { return s.code(C.lm_see_latest(txn)) }

func (s *store) end(txn *C.MDB_txn) { C.mdb_txn_reset(txn) }

// sync waits until the device has everything that was committed.
func (s *store) sync() error { return s.code(C.mdb_env_sync(s.c.env, 1)) }

// copyTo writes a copy of the store as it is now into dir, which exists.
func (s *store) copyTo(dir string) error {
	cdir := C.CString(dir)
	defer C.free(unsafe.Pointer(cdir))
	return s.code(C.mdb_env_copy2(s.c.env, cdir, 0))
}

// records counts the records of all keyspaces.
func (s *store) records() (uint64, error) {
	txn, err := s.reader()
	if err != nil {
		return 0, err
	}
	defer s.release(txn)
	var n C.size_t
	return uint64(n), s.code(C.lm_records(txn, s.c, &n))
}

// pointer returns the address of the bytes of b, NULL if b has no memory.
func pointer(b []byte) unsafe.Pointer { return unsafe.Pointer(unsafe.SliceData(b)) }

// code turns a result of LMDB into the contract's errors.
func (s *store) code(rc C.int) error {
	switch rc {
	case 0:
		return nil
	case C.MDB_NOTFOUND:
		return engines.ErrNotFound
	}
	text := C.GoString(C.mdb_strerror(rc))
	switch rc {
	case C.MDB_MAP_FULL:
		return fmt.Errorf("%w: map_size of %d bytes is used up (%s)", engines.ErrFull, s.c._map, text)
	case C.MDB_CORRUPTED, C.MDB_PAGE_NOTFOUND, C.MDB_INVALID, C.MDB_VERSION_MISMATCH, C.MDB_INCOMPATIBLE:
		return &engines.CorruptError{File: s.path, Offset: -1, Reason: text}
	case C.MDB_READERS_FULL:
		return fmt.Errorf("max_readers read transactions are open at one time: %s", text)
	}
	if rc > 0 && rc <= math.MaxInt16 {
		return adapter.MapError(fmt.Errorf("%s: %w", s.path, syscall.Errno(rc)))
	}
	return errors.New(text)
}

// mapRecord turns an error of decoding into ErrCorrupt.
func (s *store) mapRecord(err error) error { return adapter.RecordError(s.path, err) }
