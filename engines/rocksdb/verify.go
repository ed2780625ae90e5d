//go:build rocksdb && cgo

package rocksdb

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"

	"github.com/linxGnu/grocksdb"

	"orbitbench/engines"
	"orbitbench/engines/adapter"
)

var _ engines.Verifier = Driver{}

// Verify opens a closed store for reading only, which replays its log in memory,
// and reads every record of every column family, which compares the checksum of
// each block of data on the way, and decodes it. Filter blocks are not read. The
// C API of 7.8 has no VerifyChecksum. RocksDB writes its LOG even then: it goes
// to a temporary directory. The store must be closed: a lock of RocksDB's kind
// cannot be tried without a process losing its own.
func (Driver) Verify(ctx context.Context, dir string, progress func(done, total int64)) (report engines.VerifyReport, err error) {
	if err := ctx.Err(); err != nil {
		return report, err
	}
	if report.Files, report.Bytes, err = measure(dir); err != nil {
		return report, err
	}
	s, done, err := openReadOnly(dir)
	if err != nil {
		return report, err
	}
	defer func() { err = errors.Join(err, done()) }()
	if _, err := readState(s); err != nil {
		return report, mapError(dir, err)
	}
	for i, ks := range engines.AllKeyspaces() {
		if err := verifyKeyspace(ctx, s, ks, &report); err != nil {
			return report, err
		}
		if progress != nil {
			progress(report.Bytes*int64(i+1)/int64(engines.NumKeyspaces), report.Bytes)
		}
	}
	return report, nil
}

// verifyKeyspace reads one keyspace: every record decodes, and keys rise.
func verifyKeyspace(ctx context.Context, s *store, ks engines.Keyspace, report *engines.VerifyReport) error {
	last := ""
	return mapError(s.dir, s.scan(ctx, s.read, ks, nil, nil, func(key, record []byte) error {
		report.Records++
		if string(key) <= last {
			return &engines.CorruptError{File: s.dir, Offset: -1, Reason: fmt.Sprintf("%s: key %x follows %x", ks, key, last)}
		}
		last = string(key)
		if _, _, err := adapter.DecodeRecord(record); err != nil {
			return fmt.Errorf("%s, key %x: %w", ks, key, err)
		}
		return nil
	}))
}

// openReadOnly opens a store that is not changed by it; done closes it.
func openReadOnly(dir string) (s *store, done func() error, err error) {
	if err := checkHandles(); err != nil {
		return nil, nil, err
	}
	c, err := configure(engines.Options{})
	if err != nil {
		return nil, nil, err
	}
	logs, err := os.MkdirTemp("", "orbitbench-verify-*")
	if err != nil {
		return nil, nil, err
	}
	s = newStore(dir, c)
	done = func() error {
		s.close()
		return os.RemoveAll(logs)
	}
	s.options.SetCreateIfMissing(false)
	s.options.SetCreateIfMissingColumnFamilies(false)
	s.options.SetDbLogDir(logs)
	s.read.SetVerifyChecksums(true)
	s.read.SetFillCache(false)
	names := columnFamilies()
	s.db, s.handles, err = grocksdb.OpenDbForReadOnlyColumnFamilies(s.options, dir, names, slices.Repeat([]*grocksdb.Options{s.options}, len(names)), false)
	if err != nil {
		return nil, nil, errors.Join(mapError(dir, err), done())
	}
	s.attach()
	return s, done, nil
}

// measure counts the files of a store.
func measure(dir string) (files int, bytes int64, err error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return 0, 0, fmt.Errorf("rocksdb: %w", err)
	}
	for _, entry := range entries {
		info, err := entry.Info()
		if err != nil {
			return 0, 0, fmt.Errorf("rocksdb: %w", err)
		}
		if info.Mode().IsRegular() {
			files++
			bytes += info.Size()
		}
	}
	return files, bytes, nil
}
