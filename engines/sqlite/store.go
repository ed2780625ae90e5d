//go:build sqlite && cgo

package sqlite

// #cgo LDFLAGS: -lsqlite3
// #include <stdlib.h>
// #include "shim.h"
// #cgo noescape sq_get
// #cgo nocallback sq_get
// #cgo noescape sq_commit
// #cgo nocallback sq_commit
// #cgo noescape sq_renew_lease
// #cgo nocallback sq_renew_lease
import "C"

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"unsafe"

	"orbitbench/engines"
	"orbitbench/engines/adapter"
	"orbitbench/engines/lease"
)

// conn is a connection; it is for one call at a time.
type conn struct{ c *C.sq_conn }

// store is an open database.
type store struct {
	dir, path string
	config    *effective
	tables    **C.char
	writer    *conn
	wal       *os.File // the log, to be synced; open as long as the store

	mu      sync.Mutex
	free    []*conn // guarded by mu; readers that nobody uses
	readers []*conn // guarded by mu; every one that was opened
}

func openStore(dir string, c *effective) (*store, error) {
	s := &store{dir: dir, path: filepath.Join(dir, dataName), config: c, tables: cTables()}
	var err error
	if s.writer, err = s.connect(C.SQLITE_OPEN_READWRITE|C.SQLITE_OPEN_CREATE, c.setup(true)); err == nil {
		s.wal, err = os.Open(filepath.Join(dir, walName))
	}
	if err != nil {
		return nil, errors.Join(err, s.close())
	}
	return s, nil
}

// cTables returns the names of the tables in C memory, for freeTables.
func cTables() **C.char {
	array := C.calloc(C.SQ_TABLES, C.size_t(unsafe.Sizeof((*C.char)(nil))))
	for i, name := range tables() {
		unsafe.Slice((**C.char)(array), C.SQ_TABLES)[i] = C.CString(name)
	}
	return (**C.char)(array)
}

func freeTables(array **C.char) {
	for _, name := range unsafe.Slice(array, C.SQ_TABLES) {
		C.free(unsafe.Pointer(name))
	}
	C.free(unsafe.Pointer(array))
}

// connect opens a connection.
func (s *store) connect(flags C.int, setup string) (*conn, error) {
	path, sql := C.CString(s.path), C.CString(setup)
	defer C.free(unsafe.Pointer(path))
	defer C.free(unsafe.Pointer(sql))
	c := &conn{(*C.sq_conn)(C.calloc(1, C.sizeof_sq_conn))}
	var message *C.char
	rc := C.sq_open(c.c, path, flags|C.SQLITE_OPEN_NOMUTEX, sql, s.tables, &message)
	if rc == C.SQLITE_OK {
		return c, nil
	}
	C.free(unsafe.Pointer(c.c))
	err := s.code(rc, nil)
	if message != nil {
		err = fmt.Errorf("%w (%s)", err, C.GoString(message))
		C.sqlite3_free(unsafe.Pointer(message))
	}
	return nil, err
}

func (c *conn) close() {
	C.sq_close(c.c)
	C.free(unsafe.Pointer(c.c))
}

// close closes every connection, the writer's last: that one makes the last checkpoint.
func (s *store) close() error {
	for _, c := range s.readers {
		c.close()
	}
	s.readers, s.free = nil, nil
	if s.writer != nil {
		s.writer.close()
	}
	freeTables(s.tables)
	if s.wal != nil {
		return s.wal.Close()
	}
	return nil
}

// reader takes a connection to read with, for release to take back.
func (s *store) reader() (*conn, error) {
	s.mu.Lock()
	if n := len(s.free); n > 0 {
		c := s.free[n-1]
		s.free = s.free[:n-1]
		s.mu.Unlock()
		return c, nil
	}
	s.mu.Unlock()
	c, err := s.connect(C.SQLITE_OPEN_READWRITE, s.config.setup(false))
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	s.readers = append(s.readers, c)
	s.mu.Unlock()
	return c, nil
}

func (s *store) release(c *conn) {
	s.mu.Lock()
	s.free = append(s.free, c)
	s.mu.Unlock()
}

// get reads the record under key into buf[:0], which grows if it must, or
// returns ErrNotFound.
func (s *store) get(c *conn, table engines.Keyspace, key, buf []byte) ([]byte, error) {
	for {
		r := C.sq_get(c.c, C.int(table), pointer(key), C.size_t(len(key)), pointer(buf), C.size_t(cap(buf)))
		switch {
		case r.rc == C.SQLITE_DONE:
			return buf[:0], engines.ErrNotFound
		case r.rc != C.SQLITE_ROW:
			return buf[:0], s.code(r.rc, c)
		case int(r.len) <= cap(buf):
			return buf[:r.len], nil
		}
		buf = make([]byte, 0, r.len) // and again: it may have grown meanwhile
	}
}

// commit carries out operations in one transaction. Only the holder of the
// writer lock may call it, and renew.
func (s *store) commit(o *adapter.Ops) error {
	return s.code(C.sq_commit(s.writer.c, pointer(o.Bytes()), C.size_t(len(o.Bytes()))), s.writer)
}

// renew renews a lease in one transaction. done is false if Go must find out
// what is wrong; have is set with a conflict.
func (s *store) renew(key []byte, held, next engines.Version, r lease.Renewal) (have engines.Version, done bool, err error) {
	args := C.ob_renewal{held: C.uint64_t(held), next: C.uint64_t(next), expires_at: C.int64_t(r.ExpiresAt), now: C.int64_t(r.Now)}
	out := C.sq_renew_lease(s.writer.c, pointer(key), C.size_t(len(key)), &args)
	if out.rc != C.SQLITE_OK {
		return 0, false, s.code(out.rc, s.writer)
	}
	return engines.Version(out.have), out.outcome != C.OB_SLOW, nil
}

// scan calls yield for the records of [from, to) in key order.
func (s *store) scan(ctx context.Context, c *conn, table engines.Keyspace, from, to []byte, yield func(key, record []byte) error) error {
	if to != nil && len(to) == 0 {
		return nil // nothing is below the empty key
	}
	var stmt *C.sqlite3_stmt
	if err := s.code(C.sq_seek(c.c, C.int(table), pointer(from), C.size_t(len(from)), pointer(to), C.size_t(len(to)), &stmt), c); err != nil {
		return err
	}
	defer C.sqlite3_reset(stmt)
	row := C.int(0)
	return adapter.ScanChunks(ctx, func(buf []byte) (adapter.Chunk, error) {
		chunk := C.sq_next(stmt, &row, pointer(buf), C.size_t(len(buf)))
		return adapter.Chunk{Bytes: int(chunk.len), Count: int(chunk.count), Done: chunk.done != 0}, s.code(chunk.rc, c)
	}, yield)
}

// begin makes what a reader sees stay as it is now, until end.
func (s *store) begin(c *conn) error { return s.code(C.sq_begin(c.c), c) }

func (s *store) end(c *conn) error { return s.code(C.sq_end(c.c), c) }

// sync makes everything that is in the log durable.
func (s *store) sync() error { return s.wal.Sync() }

// checkpoint writes what the log holds to the database, as far as no reader
// needs the pages there.
func (s *store) checkpoint() error {
	return s.code(C.sqlite3_wal_checkpoint_v2(s.writer.c.db, nil, C.SQLITE_CHECKPOINT_PASSIVE, nil, nil), s.writer)
}

// copyTo writes a copy of the store as it is now to a new file.
func (s *store) copyTo(path string) error {
	c, err := s.reader()
	if err != nil {
		return err
	}
	defer s.release(c)
	cpath := C.CString(path)
	defer C.free(unsafe.Pointer(cpath))
	return s.code(C.sq_copy(c.c, cpath), nil)
}

// memory is what the library has allocated, in this process.
func memory() uint64 { return uint64(C.sqlite3_memory_used()) }

// pointer returns the address of the bytes of b, NULL if b has no memory.
func pointer(b []byte) unsafe.Pointer { return unsafe.Pointer(unsafe.SliceData(b)) }

// code turns a result of SQLite, of connection c if it is known, into the
// contract's errors.
func (s *store) code(rc C.int, c *conn) error {
	if rc == C.SQLITE_OK {
		return nil
	}
	err := fmt.Errorf("%s: %s", s.path, C.GoString(C.sqlite3_errstr(rc)))
	switch rc & 0xff {
	case C.SQLITE_FULL:
		return fmt.Errorf("%w: %w", engines.ErrFull, err)
	case C.SQLITE_CORRUPT, C.SQLITE_NOTADB:
		return &engines.CorruptError{File: s.path, Offset: -1, Reason: err.Error()}
	case C.SQLITE_IOERR, C.SQLITE_CANTOPEN:
		if c == nil {
			return err
		}
		if errno := syscall.Errno(C.sqlite3_system_errno(c.c.db)); errno != 0 {
			return adapter.MapError(fmt.Errorf("%w: %w", err, errno))
		}
	}
	return err
}

// mapRecord turns an error of decoding into ErrCorrupt.
func (s *store) mapRecord(err error) error { return adapter.RecordError(s.path, err) }
