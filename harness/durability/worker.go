package durability

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"orbitbench/engines"
	"orbitbench/engines/lease"
)

// report is what the worker says at its end. Marks tell the rest.
type report struct {
	Error       string `json:"error,omitempty"`
	Unsupported bool   `json:"unsupported,omitempty"` // of Error: the engine cannot honour the class
	Filter      bool   `json:"filter,omitempty"`      // of Error: the system refuses the filter
}

// WorkerMain is the body of the hidden verb WorkerVerb: it reads a Job, opens the
// engine and commits under the eyes of its tracer. It returns the exit code.
func WorkerMain(ctx context.Context, lookup Lookup, stdin io.Reader, stdout io.Writer) int {
	var j Job
	var r report
	err := json.NewDecoder(stdin).Decode(&j)
	if err == nil {
		if err = installFilter(); err != nil {
			r.Filter = true
		} else {
			err = work(ctx, &j, lookup)
		}
	}
	if err != nil {
		r.Error, r.Unsupported = err.Error(), errors.Is(err, engines.ErrUnsupported)
	}
	if json.NewEncoder(stdout).Encode(r) != nil {
		return 1
	}
	return 0
}

// work opens the engine, commits in phases and closes it.
func work(ctx context.Context, j *Job, lookup Lookup) (err error) {
	driver, err := lookup(j.Engine)
	if err != nil {
		return err
	}
	e, err := driver.Open(ctx, engines.Options{
		Dir: filepath.Join(j.Dir, storeName), Durability: j.Durability, MemoryBytes: j.MemoryBytes, Config: j.Config,
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, e.Close()) }()
	w := &worker{job: j, engine: e, now: time.Now().UnixNano()}
	for _, p := range phases(j.Durability) {
		if err := w.phase(ctx, p); err != nil {
			return err
		}
	}
	time.Sleep(grace(j.Durability)) // what class interval promises for later happens meanwhile
	return mark(markEnd, 0, 0)
}

// storeName is the store's directory within Job.Dir.
const storeName = "store"

// worker commits. Its phases follow each other; its writers run side by side.
type worker struct {
	job    *Job
	engine engines.Engine
	now    int64        // of every record and renewal, ns since the Unix epoch
	next   atomic.Int64 // number of the next commit
	keys   int          // leases that exist
}

// leasesPerWriter are more than one, so that an engine cannot do with one record
// in its cache what it could not do with many.
const leasesPerWriter = 16

// leaseOf is one lease of a writer, and its version.
type leaseOf struct {
	key     []byte
	version engines.Version
}

func (w *worker) phase(ctx context.Context, p phase) error {
	owned := make([][]leaseOf, p.writers)
	for i := range owned {
		for range leasesPerWriter {
			l, err := w.create(ctx)
			if err != nil {
				return fmt.Errorf("load: %w", err)
			}
			owned[i] = append(owned[i], l)
		}
	}
	if err := mark(markPhase, 0, p.writers); err != nil {
		return err
	}
	begin := time.Now()
	failures := make([]error, p.writers)
	var all sync.WaitGroup
	for i := range owned {
		all.Go(func() { failures[i] = w.write(ctx, p, owned[i], begin) })
	}
	all.Wait()
	return errors.Join(errors.Join(failures...), mark(markPhase, 0, 0))
}

func (w *worker) create(ctx context.Context) (leaseOf, error) {
	l := leaseOf{key: make([]byte, lease.UUIDBytes, lease.UUIDBytes+len(actorType))}
	w.keys++
	binary.BigEndian.PutUint64(l.key, uint64(w.keys)*0x9e3779b97f4a7c15) // spread over the key space
	l.key = append(l.key, actorType...)
	value, err := w.value(-1)
	if err != nil {
		return l, err
	}
	var b engines.Batch
	b.Put(engines.Leases, l.key, value)
	if err := w.engine.Apply(ctx, &b); err != nil {
		return l, err
	}
	l.version = b.Ops[0].Assigned
	return l, nil
}

const (
	actorType   = "durability"
	customBytes = 150 // a record of about the usual size, with room for several copies of a marker
)

// value is a lease record with the marker of a commit; that of commit -1 has none.
func (w *worker) value(commit int) ([]byte, error) {
	custom := make([]byte, customBytes)
	if commit >= 0 {
		w.job.Marker.fill(custom, commit)
	}
	record := lease.New("node-1", w.now, time.Hour, custom)
	return record.AppendBinary(nil)
}

// write is one writer: puts and renewals in turn, over its leases.
func (w *worker) write(ctx context.Context, p phase, leases []leaseOf, begin time.Time) error {
	for i := range p.commits {
		if p.limit > 0 && time.Since(begin) > p.limit {
			return nil
		}
		l := &leases[i/2%len(leases)]
		commit := int(w.next.Add(1)) - 1
		kind, apply := byte(kindPut), w.put
		if i%2 == 1 {
			kind, apply = kindRenew, w.renew
		}
		if err := mark(markIssue, kind, commit); err != nil {
			return err
		}
		if err := apply(ctx, l, commit); err != nil {
			return fmt.Errorf("%s: %w", kindName(kind), err)
		}
		if err := mark(markAck, kind, commit); err != nil {
			return err
		}
		time.Sleep(p.pace)
	}
	return nil
}

func (w *worker) put(ctx context.Context, l *leaseOf, commit int) error {
	value, err := w.value(commit)
	if err != nil {
		return err
	}
	var b engines.Batch
	b.Require(engines.Leases, l.key, l.version)
	b.Put(engines.Leases, l.key, value)
	if err := w.engine.Apply(ctx, &b); err != nil {
		return err
	}
	l.version = b.Ops[0].Assigned
	return nil
}

// renew takes the engine's best path.
func (w *worker) renew(ctx context.Context, l *leaseOf, commit int) error {
	r := lease.Renewal{ExpiresAt: w.job.Marker.expiry(commit), Now: w.now}
	if native, ok := w.engine.(engines.LeaseRenewer); ok {
		v, err := native.RenewLease(ctx, l.key, l.version, r)
		if err == nil {
			l.version = v
		}
		return err
	}
	var b engines.Batch
	b.Require(engines.Leases, l.key, l.version)
	b.Renew(l.key, r)
	if err := w.engine.Apply(ctx, &b); err != nil {
		return err
	}
	l.version = b.Ops[0].Assigned
	return nil
}

// mark tells the tracer. The call itself is what it sees; the bytes go nowhere.
func mark(letter, kind byte, number int) error {
	b := markOf(letter, kind, number)
	for {
		if _, err := unix.Write(markDescriptor, b[:]); err != unix.EINTR {
			return err
		}
	}
}
