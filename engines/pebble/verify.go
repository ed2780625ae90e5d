package pebble

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"syscall"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/sstable"
	"github.com/cockroachdb/pebble/v2/vfs"

	"orbitbench/engines"
	"orbitbench/engines/adapter"
)

// Verify opens a closed store for reading only, on a file system that refuses
// every change, which replays its log in memory; reads every block of every
// table in use and compares its checksum; has Pebble check the order of its
// levels; and decodes every record. A record that is damaged at the very end of
// the newest log looks to Pebble like one that a crash cut off, and is not told.
func (Driver) Verify(ctx context.Context, dir string, progress func(done, total int64)) (report engines.VerifyReport, err error) {
	if err := ctx.Err(); err != nil {
		return report, err
	}
	v := &verifier{ctx: ctx, dir: dir, progress: progress}
	defer func() {
		report = v.report
		switch p := recover().(type) {
		case nil:
		case fatal:
			err = v.mapError("", p.error)
		default:
			panic(p)
		}
	}()
	return v.report, v.run()
}

// verifier reads one store.
type verifier struct {
	ctx      context.Context
	dir      string
	progress func(done, total int64)
	report   engines.VerifyReport
	done     int64
	damaged  string // the file that Pebble last called damaged
}

func (v *verifier) run() (err error) {
	opts := v.options()
	db, err := pebble.Open(v.dir, opts)
	if err != nil {
		return v.mapError("", err)
	}
	defer func() { err = errors.Join(err, v.mapError("", db.Close())) }()
	if err := v.measure(); err != nil { // with the store locked: the files of an open one come and go
		return err
	}
	if err := v.tables(db, opts.MakeReaderOptions()); err != nil {
		return err
	}
	if err := db.CheckLevels(nil); err != nil {
		return v.mapError("", err)
	}
	if err := v.records(db); err != nil {
		return err
	}
	v.tell(v.report.Bytes)
	return nil
}

// measure counts the files of the store.
func (v *verifier) measure() error {
	entries, err := os.ReadDir(v.dir)
	if err != nil {
		return fmt.Errorf("pebble: %w", err)
	}
	for _, entry := range entries {
		info, err := entry.Info()
		if err != nil {
			return fmt.Errorf("pebble: %w", err)
		}
		if info.Mode().IsRegular() {
			v.report.Files++
			v.report.Bytes += info.Size()
		}
	}
	return nil
}

func (v *verifier) options() *pebble.Options {
	opts := &pebble.Options{
		ReadOnly: true, FS: readOnlyFS{FS: vfs.Default}, Logger: verifyLogger{},
		FormatMajorVersion: pebble.FormatNewest,
		EventListener: &pebble.EventListener{
			DataCorruption: func(i pebble.DataCorruptionInfo) { v.damaged = i.Path },
		},
	}
	opts.EnsureDefaults()
	return opts
}

func (v *verifier) tell(done int64) {
	if v.progress != nil {
		v.progress(min(done, v.report.Bytes), v.report.Bytes)
	}
}

// tables compares the checksum of every block of every table in use.
func (v *verifier) tables(db *pebble.DB, o sstable.ReaderOptions) error {
	levels, err := db.SSTables()
	if err != nil {
		return v.mapError("", err)
	}
	seen := map[string]bool{}
	for _, level := range levels {
		for _, t := range level {
			if err := v.ctx.Err(); err != nil {
				return err
			}
			path := filepath.Join(v.dir, fmt.Sprintf("%06d.sst", uint64(t.BackingSSTNum)))
			if seen[path] {
				continue // a table may be used in parts
			}
			seen[path] = true
			if err := v.table(path, o); err != nil {
				return v.mapError(path, err)
			}
			v.done += int64(t.Size)
			v.tell(v.done)
		}
	}
	return nil
}

func (v *verifier) table(path string, o sstable.ReaderOptions) error {
	f, err := vfs.Default.Open(path)
	if err != nil {
		return err
	}
	readable, err := sstable.NewSimpleReadable(f)
	if err != nil {
		return errors.Join(err, f.Close())
	}
	r, err := sstable.NewReader(v.ctx, readable, o)
	if err != nil {
		return err // which has closed the file
	}
	return errors.Join(r.ValidateBlockChecksums(), r.Close())
}

// records decodes every record as a reader would see it.
func (v *verifier) records(db *pebble.DB) error {
	it, err := db.NewIterWithContext(v.ctx, nil)
	if err != nil {
		return v.mapError("", err)
	}
	for ok := it.First(); ok; ok = it.Next() {
		if v.report.Records++; v.report.Records%checkEvery == 0 && v.ctx.Err() != nil {
			return errors.Join(v.ctx.Err(), it.Close())
		}
		value, err := it.ValueAndErr()
		if err == nil {
			err = checkRecord(it.Key(), value)
		}
		if err != nil {
			return errors.Join(v.mapError("", err), it.Close())
		}
		if it.Key()[0] == stateKey[0] {
			v.report.Records--
		}
	}
	return v.mapError("", errors.Join(it.Error(), it.Close()))
}

// checkRecord checks one pair of the store. Its errors are ErrRecord.
func checkRecord(key, value []byte) error {
	var err error
	switch {
	case string(key) == string(stateKey):
		var s adapter.VersionState
		err = s.UnmarshalBinary(value)
	case len(key) < 2 || key[0] == 0 || key[0] > byte(engines.NumKeyspaces):
		err = fmt.Errorf("%w: no keyspace has such a key", adapter.ErrRecord)
	default:
		_, _, err = adapter.DecodeRecord(value)
	}
	if err != nil {
		return fmt.Errorf("key %x: %w", key, err)
	}
	return nil
}

// blockForm is how Pebble says which block is damaged: offset/length.
var blockForm = regexp.MustCompile(`block (\d{1,18})/\d+`)

// mapError tells damage with the file, if it is known, and the block. What the
// system refuses, other than a file that is missing, is no damage.
func (v *verifier) mapError(path string, err error) error {
	var errno syscall.Errno
	switch {
	case err == nil || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded):
		return err
	case errors.Is(err, engines.ErrLocked), errors.Is(err, pebble.ErrDBDoesNotExist),
		errors.As(err, &errno) && errno != syscall.ENOENT:
		return fmt.Errorf("pebble: %w", adapter.MapError(err))
	}
	if path == "" {
		path = v.damaged
	}
	if path == "" {
		path = v.dir
	}
	c := &engines.CorruptError{File: path, Offset: -1, Reason: err.Error()}
	if m := blockForm.FindStringSubmatch(c.Reason); m != nil {
		if at, err := strconv.ParseInt(m[1], 10, 64); err == nil {
			c.Offset = at
		}
	}
	return c
}
