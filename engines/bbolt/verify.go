package bbolt

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"time"

	bolt "go.etcd.io/bbolt"

	"orbitbench/engines"
	"orbitbench/engines/adapter"
)

// Verify reads every record of a closed store. It walks the tree in its own
// goroutine, where a panic about a damaged page can be caught, and opens the
// file for reading only, which rebuilds no freelist: bbolt does that in a
// goroutine whose panic ends the process. Pages have no checksums, so damage
// that keeps the form of a page is found only where it breaks a record.
func (Driver) Verify(ctx context.Context, dir string, progress func(done, total int64)) (report engines.VerifyReport, err error) {
	path := filepath.Join(dir, fileName)
	file, err := os.Stat(path)
	if err != nil {
		return report, fmt.Errorf("bbolt: %w", err)
	}
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	e := &engine{path: path}
	defer e.recoveredRead(&err, nil)
	db, err := e.openLibrary(0, &bolt.Options{ReadOnly: true, Timeout: time.Millisecond})
	if err != nil {
		return report, err
	}
	defer func() {
		if closeErr := db.Close(); err == nil {
			err = closeErr
		}
	}()
	tx, err := db.Begin(false)
	if err != nil {
		return report, e.mapError(err)
	}
	defer func() {
		if rollbackErr := tx.Rollback(); err == nil {
			err = rollbackErr
		}
	}()
	report.Files, report.Bytes = 1, file.Size()
	for i, name := range buckets {
		if err := e.verifyBucket(ctx, tx, name, &report); err != nil {
			return report, err
		}
		if progress != nil {
			progress(file.Size()*int64(i+1)/int64(len(buckets)), file.Size())
		}
	}
	return report, nil
}

// verifyBucket reads one keyspace: every record decodes, and keys rise.
func (e *engine) verifyBucket(ctx context.Context, tx *bolt.Tx, name []byte, report *engines.VerifyReport) error {
	bucket := tx.Bucket(name)
	if bucket == nil {
		return &engines.CorruptError{File: e.path, Offset: -1, Reason: fmt.Sprintf("bucket %s is missing", name)}
	}
	last := ""
	cursor := bucket.Cursor()
	for key, raw := cursor.First(); key != nil; key, raw = cursor.Next() {
		if report.Records++; report.Records%checkEvery == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		if string(key) <= last {
			return &engines.CorruptError{File: e.path, Offset: -1, Reason: fmt.Sprintf("bucket %s: key %x follows %x", name, key, last)}
		}
		last = string(key)
		if _, _, err := adapter.DecodeRecord(raw); err != nil {
			return e.mapError(fmt.Errorf("bucket %s, key %x: %w", name, key, err))
		}
	}
	return nil
}
