//go:build sqlite && cgo

package sqlite

// #include <stdlib.h>
// #include "shim.h"
import "C"

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strconv"

	"orbitbench/engines"
	"orbitbench/engines/adapter"
)

var _ engines.Verifier = Driver{}

// Verify has SQLite check every page and tree of a closed store
// (integrity_check), and decodes every record. A store that was closed cleanly is
// read where it is, as one that cannot change. One whose log a crash left behind
// is copied to a temporary directory first, since SQLite changes the store when it
// takes the log in. Pages have no checksums: damage within a key or a value that
// breaks no tree and no record is not found.
func (Driver) Verify(ctx context.Context, dir string, progress func(done, total int64)) (report engines.VerifyReport, err error) {
	if err := ctx.Err(); err != nil {
		return report, err
	}
	v := &verifier{ctx: ctx, store: &store{dir: dir, path: filepath.Join(dir, dataName), config: &effective{}}, report: &report}
	if progress == nil {
		progress = func(_, _ int64) {}
	}
	name, flags, done, err := v.source()
	if err != nil {
		return report, err
	}
	defer func() { err = errors.Join(err, done()) }()
	return report, v.run(name, flags, progress)
}

// verifier reads one store.
type verifier struct {
	ctx    context.Context
	store  *store
	conn   *conn
	report *engines.VerifyReport
}

// source says what to open: the store itself, or a copy; done removes that.
func (v *verifier) source() (name string, flags C.int, done func() error, err error) {
	done = func() error { return nil }
	log := 0
	for _, file := range []string{dataName, walName} {
		info, err := os.Stat(filepath.Join(v.store.dir, file))
		if file == walName && errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return "", 0, done, fmt.Errorf("sqlite: %w", err)
		}
		v.report.Files++
		v.report.Bytes += info.Size()
		if file == walName {
			log = int(info.Size())
		}
	}
	if log == 0 {
		abs, err := filepath.Abs(v.store.path)
		u := url.URL{Scheme: "file", Path: abs, RawQuery: "immutable=1"}
		return u.String(), C.SQLITE_OPEN_READONLY | C.SQLITE_OPEN_URI, done, err
	}
	temp, err := os.MkdirTemp("", "orbitbench-verify-*")
	if err != nil {
		return "", 0, done, err
	}
	for _, file := range []string{dataName, walName} {
		err = errors.Join(err, copyFile(filepath.Join(temp, file), filepath.Join(v.store.dir, file)))
	}
	return filepath.Join(temp, dataName), C.SQLITE_OPEN_READWRITE, func() error { return os.RemoveAll(temp) }, err
}

func copyFile(to, from string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close() // of a file that was only read
	out, err := os.Create(to)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}

func (v *verifier) run(name string, flags C.int, progress func(done, total int64)) error {
	s := v.store
	s.tables = cTables()
	defer freeTables(s.tables)
	path := s.path
	s.path = name
	c, err := s.connect(flags, "")
	s.path = path
	if err != nil {
		return err
	}
	defer c.close()
	v.conn = c
	stop := context.AfterFunc(v.ctx, func() { C.sqlite3_interrupt(c.c.db) })
	err = v.check(progress)
	if !stop() || v.ctx.Err() != nil { // the interrupt may be under way, and must end before the connection
		return v.ctx.Err()
	}
	return err
}

// pageForm is how SQLite says which page is damaged.
var pageForm = regexp.MustCompile(`(?i)\bpage (\d{1,9})\b`)

func (v *verifier) check(progress func(done, total int64)) error {
	s := v.store
	buf := make([]byte, 512)
	if err := s.code(C.sq_check(v.conn.c, (*C.char)(pointer(buf)), C.size_t(len(buf))), v.conn); err != nil {
		return err
	}
	if text := C.GoString((*C.char)(pointer(buf))); text != "ok" {
		return v.damage(text)
	}
	progress(v.report.Bytes/2, v.report.Bytes)
	for i := range tables() {
		if err := v.table(engines.Keyspace(i)); err != nil {
			return err
		}
	}
	progress(v.report.Bytes, v.report.Bytes)
	return nil
}

// damage is what integrity_check found, with the place of the page.
func (v *verifier) damage(text string) error {
	c := &engines.CorruptError{File: v.store.path, Offset: -1, Reason: text}
	m := pageForm.FindStringSubmatch(text)
	if m == nil {
		return c
	}
	head := make([]byte, 18)
	if f, err := os.Open(v.store.path); err == nil {
		_, err = f.ReadAt(head, 0)
		if page, parseErr := strconv.ParseInt(m[1], 10, 64); err == nil && parseErr == nil && page > 0 {
			size := int64(head[16])<<8 | int64(head[17])
			if size == 1 {
				size = 1 << 16
			}
			c.Offset = (page - 1) * size
		}
		f.Close() // of a file that was only read
	}
	return c
}

// table decodes every record of one table.
func (v *verifier) table(table engines.Keyspace) error {
	return v.store.scan(v.ctx, v.conn, table, nil, nil, func(key, record []byte) error {
		var err error
		if table == stateTable {
			var s adapter.VersionState
			err = s.UnmarshalBinary(record)
		} else {
			_, _, err = adapter.DecodeRecord(record)
			v.report.Records++
		}
		if err != nil {
			return v.store.mapRecord(fmt.Errorf("%s, key %x: %w", tables()[table], key, err))
		}
		return nil
	})
}
