package durability

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"orbitbench/engines"
)

// fake is a small engine that keeps its records in a map and each commit in a
// log, in the way that its name says. None of it reads anything back.
type fake struct{ name string }

// The ways. Those of honest keep their class's promise.
var (
	honest = []string{
		"fsync", "fdatasync", "dsync", "pwritev2", "msync", "mapped-fdatasync", "writev", "syncfs", "other-thread", "packs-renewals",
	}
	liars = []string{
		"no-sync", "late", "other-file", "sync-first", "range-only", "msync-elsewhere", "msync-async", "no-msync", "closed-descriptor", "every-other",
	}
)

func lookupFake(name string) (engines.Driver, error) { return fake{name}, nil }

func (f fake) Info() engines.Info {
	return engines.Info{Name: f.name, Classes: engines.Classes(), Role: engines.Candidate}
}

func (f fake) Configure(engines.Options) (any, error) { return nil, nil }

func (f fake) Open(_ context.Context, o engines.Options) (engines.Engine, error) {
	switch f.name {
	case "fails":
		return nil, errors.New("the disk is on fire")
	case "unsupported":
		return nil, fmt.Errorf("%w: no such class", engines.ErrUnsupported)
	case "dies":
		return nil, errors.Join(unix.Kill(os.Getpid(), unix.SIGKILL))
	}
	if err := os.MkdirAll(o.Dir, 0o755); err != nil {
		return nil, err
	}
	flags := os.O_CREATE | os.O_RDWR
	if f.name == "dsync" {
		flags |= unix.O_DSYNC
	}
	log, err := os.OpenFile(filepath.Join(o.Dir, "log"), flags, 0o644)
	if err != nil {
		return nil, err
	}
	other, err := os.Create(filepath.Join(o.Dir, "other"))
	if err != nil {
		return nil, err
	}
	e := &fakeEngine{way: f.name, d: o.Durability, log: log, other: other, records: map[string]fakeRecord{}, work: make(chan func())}
	go func() {
		for f := range e.work {
			f()
		}
	}()
	if strings.Contains(f.name, "m") && strings.Contains(f.name, "ms") || f.name == "mapped-fdatasync" || f.name == "mapped" {
		if err := log.Truncate(fakeMapBytes); err != nil {
			return nil, err
		}
		if e.memory, err = unix.Mmap(int(log.Fd()), 0, fakeMapBytes, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED); err != nil {
			return nil, err
		}
	}
	if o.Durability.Class == engines.Interval && f.name != "no-sync" {
		e.flush()
	}
	return e, nil
}

const fakeMapBytes = 8 << 20

type fakeRecord struct {
	value   []byte
	version engines.Version
}

type fakeEngine struct {
	way     string
	d       engines.Durability
	log     *os.File
	other   *os.File
	memory  []byte
	at      int
	mu      sync.Mutex
	records map[string]fakeRecord
	buffer  []byte
	commits int
	work    chan func()
	stop    chan struct{}
	stopped sync.WaitGroup
}

// flush syncs in the background, for class interval.
func (e *fakeEngine) flush() {
	every := e.d.Window / 2
	if e.way == "slow" {
		every = 12 * e.d.Window
	}
	e.stop = make(chan struct{})
	e.stopped.Go(func() {
		for {
			select {
			case <-e.stop:
				return
			case <-time.After(every):
				e.mu.Lock()
				if e.way == "buffers" {
					_, _ = e.log.Write(e.buffer) // a test that fails here finds no commit
					e.buffer = nil
				}
				_ = e.log.Sync()
				e.mu.Unlock()
			}
		}
	})
}

func (e *fakeEngine) Apply(_ context.Context, b *engines.Batch) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	var line []byte
	for i := range b.Ops {
		op := &b.Ops[i]
		r := e.records[string(op.Key)]
		if op.Kind == engines.OpRenew {
			if err := op.Renewal.Patch(r.value); err != nil {
				return err
			}
		} else {
			r.value = append([]byte(nil), op.Value...)
		}
		r.version++
		op.Assigned = r.version
		e.records[string(op.Key)] = r
		if op.Kind == engines.OpRenew && e.way == "packs-renewals" {
			line = append(line, op.Key[0], byte(r.version))
			continue
		}
		line = append(append(line, op.Key...), r.value...)
	}
	if e.way == "packs-all" {
		for i := range line {
			line[i] ^= 0x5a
		}
	}
	return e.commit(line)
}

func (e *fakeEngine) commit(line []byte) error {
	e.commits++
	switch {
	case e.d.Class == engines.None, e.way == "buffers":
		e.buffer = append(e.buffer, line...)
		return nil
	case e.memory != nil:
		copy(e.memory[e.at:], line)
		from := e.at &^ 4095
		e.at += len(line)
		return e.syncMapped(from, (e.at-1)&^4095+4096)
	case e.way == "every-other" && e.commits%2 == 0 && e.d.Class == engines.Process:
		e.buffer = append(e.buffer, line...)
		return nil
	case e.way == "sync-first" && e.d.Class == engines.Sync:
		if err := e.log.Sync(); err != nil {
			return err
		}
	}
	if err := e.write(line); err != nil || e.d.Class != engines.Sync {
		return err
	}
	return e.sync()
}

func (e *fakeEngine) write(line []byte) error {
	switch e.way {
	case "pwritev2":
		n, err := unix.Pwritev2(int(e.log.Fd()), [][]byte{line[:5], line[5:]}, int64(e.at), unix.RWF_DSYNC)
		e.at += n
		return err
	case "writev":
		_, err := unix.Writev(int(e.log.Fd()), [][]byte{line[:7], line[7:]})
		return err
	}
	_, err := e.log.Write(line)
	return err
}

func (e *fakeEngine) sync() error {
	switch e.way {
	case "fsync", "writev", "packs-renewals", "packs-all":
		return e.log.Sync()
	case "fdatasync":
		return unix.Fdatasync(int(e.log.Fd()))
	case "syncfs":
		return unix.Syncfs(int(e.log.Fd()))
	case "other-thread":
		done := make(chan error)
		e.work <- func() { done <- e.log.Sync() }
		return <-done
	case "other-file":
		if _, err := e.other.Write([]byte("decoy")); err != nil {
			return err
		}
		return e.other.Sync()
	case "late":
		e.work <- func() { _ = e.log.Sync() } // nobody waits for it
		return nil
	case "range-only":
		return unix.SyncFileRange(int(e.log.Fd()), 0, 0, unix.SYNC_FILE_RANGE_WAIT_BEFORE|unix.SYNC_FILE_RANGE_WRITE|unix.SYNC_FILE_RANGE_WAIT_AFTER)
	case "closed-descriptor":
		_ = unix.Fdatasync(999) // EBADF, as nobody looks
		return nil
	case "every-other":
		if e.commits%2 == 0 {
			return nil
		}
		return e.log.Sync()
	}
	return nil // no-sync, dsync, pwritev2, sync-first
}

func (e *fakeEngine) syncMapped(from, to int) error {
	if e.d.Class != engines.Sync {
		return nil
	}
	switch e.way {
	case "msync":
		return unix.Msync(e.memory[from:to], unix.MS_SYNC)
	case "msync-async":
		return unix.Msync(e.memory[from:to], unix.MS_ASYNC)
	case "msync-elsewhere":
		return unix.Msync(e.memory[fakeMapBytes-4096:], unix.MS_SYNC)
	case "mapped-fdatasync":
		return unix.Fdatasync(int(e.log.Fd()))
	}
	return nil // no-msync
}

func (e *fakeEngine) Get(context.Context, engines.Keyspace, []byte, []byte) ([]byte, engines.Version, error) {
	return nil, 0, engines.ErrUnsupported
}

func (e *fakeEngine) Scan(context.Context, engines.Keyspace, []byte, []byte, func(k, v []byte, version engines.Version) error) error {
	return engines.ErrUnsupported
}

func (e *fakeEngine) Stats() engines.Stats { return engines.Stats{} }

// Close makes everything durable, as liars do too: it comes too late to count.
func (e *fakeEngine) Close() error {
	if e.stop != nil {
		close(e.stop)
		e.stopped.Wait()
	}
	close(e.work)
	_, err := e.log.Write(e.buffer)
	return errors.Join(err, e.log.Sync(), e.log.Close(), e.other.Close())
}
