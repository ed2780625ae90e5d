package mutants

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"sync"
	"time"
	"unsafe"

	"orbitbench/engines"
	"orbitbench/engines/lease"
)

// engine is an open mutant.
type engine struct {
	flaw       Flaw
	durability engines.Durability
	dir        string
	lock       *os.File

	mu       sync.RWMutex
	state    *state          // guarded by mu
	before   *state          // guarded by mu; CopyMissesLatest: the state before the last commit
	shared   *view           // guarded by mu; ViewShared
	old      found           // guarded by mu; StaleRead: a record before the last commit
	closed   bool            // guarded by mu
	file     *os.File        // guarded by mu
	buffer   []byte          // guarded by mu; lines that are not written yet
	reserved engines.Version // guarded by mu
	jump     engines.Version // every version that was granted before an unclean stop is below
	failed   error           // guarded by mu; of the flusher
	flushed  time.Time       // guarded by mu; when the last flush began: class interval flushes in a commit that comes a window later
	stats    engines.Stats   // guarded by mu
	spans    []engines.Span  // guarded by mu; the latest 64

	stop, done chan struct{} // of the flusher; nil unless the class is interval
}

func (e *engine) is(f Flaw) bool { return e.flaw == f }

func (e *engine) cancelled(ctx context.Context) error {
	if e.is(IgnoresContext) {
		return nil
	}
	return ctx.Err()
}

// place is where a record is kept.
func (e *engine) place(ks engines.Keyspace, key []byte) (engines.Keyspace, string) {
	if e.is(SharesKeyspaces) && ks == engines.Snapshots {
		ks = engines.Nodes
	}
	if e.is(TrimsKeys) {
		key = bytes.TrimRight(key, "\x00")
	}
	return ks, string(key)
}

func (e *engine) find(ks engines.Keyspace, key []byte) (rec, bool) {
	ks, k := e.place(ks, key)
	r, ok := e.state.live[ks][k]
	return r, ok
}

// Apply is engines.Engine.Apply.
func (e *engine) Apply(ctx context.Context, b *engines.Batch) error {
	if err := e.cancelled(ctx); err != nil {
		return err
	}
	if err := e.validate(b); err != nil {
		return err
	}
	closed := e.peek(b)
	if closed != nil {
		return closed
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	switch {
	case e.closed && e.is(CloseDoesNotWait):
		for i := range b.Ops {
			b.Ops[i].Assigned = 1 << 30
		}
		return nil
	case e.closed:
		return engines.ErrClosed
	case e.failed != nil:
		return fmt.Errorf("%w: %w", engines.ErrFailed, e.failed)
	}
	if !e.is(ConditionsUnlocked) {
		if err := e.judge(b, e.is(CreatesTwice)); err != nil {
			return err
		}
	}
	return e.commit(b, false)
}

// peek is what mutants do before they take the lock.
func (e *engine) peek(b *engines.Batch) error {
	switch e.flaw {
	case ConditionsUnlocked, CreatesTwice:
		e.mu.RLock()
		err := e.judge(b, false)
		e.mu.RUnlock()
		linger()
		return err
	case CloseDoesNotWait:
		e.mu.RLock()
		closed := e.closed
		e.mu.RUnlock()
		if closed {
			return engines.ErrClosed
		}
		time.Sleep(300 * time.Microsecond)
	}
	return nil
}

func (e *engine) validate(b *engines.Batch) error {
	if e.is(ShortKeys) {
		for i := range b.Ops {
			if len(b.Ops[i].Key) > 255 {
				return fmt.Errorf("%w: key of %d bytes", engines.ErrInvalid, len(b.Ops[i].Key))
			}
		}
	}
	err := b.Validate()
	if err == nil || !e.is(AcceptsAnything) {
		return err
	}
	for i := range b.Ops {
		if !b.Ops[i].Keyspace.Valid() {
			return err
		}
	}
	for i := range b.Conditions {
		if !b.Conditions[i].Keyspace.Valid() {
			return err
		}
	}
	return nil
}

// judge checks the conditions.
func (e *engine) judge(b *engines.Batch, skipAbsent bool) error {
	for i, c := range b.Conditions {
		r, _ := e.find(c.Keyspace, c.Key)
		skip := skipAbsent && c.Version == 0
		switch e.flaw {
		case IgnoresAbsent:
			skip = c.Version == 0
		case FirstCondition:
			skip = i > 0
		case IgnoresGuards:
			skip = true
			for j := range b.Ops {
				skip = skip && (b.Ops[j].Keyspace != c.Keyspace || !bytes.Equal(b.Ops[j].Key, c.Key))
			}
		}
		if skip || r.version == c.Version {
			continue
		}
		if e.is(PlainConflict) {
			return fmt.Errorf("%w: somebody was faster", engines.ErrConflict)
		}
		return e.conflict(c.Keyspace, c.Version, r.version)
	}
	return nil
}

func (e *engine) conflict(ks engines.Keyspace, want, have engines.Version) error {
	if e.is(CountsConflicts) {
		e.stats.Commits++
	} else if !e.is(ConditionsUnlocked) && !e.is(CreatesTwice) { // these two hold no lock here
		e.stats.Conflicts++
	}
	return &engines.ConflictError{Keyspace: ks, Want: want, Have: have}
}

// next is the version that a commit gives to a record.
func (e *engine) next(ks engines.Keyspace, key []byte) engines.Version {
	step := engines.Version(1)
	if e.is(SkipsVersions) {
		step = 2
	}
	if r, ok := e.find(ks, key); ok {
		return max(r.version, e.jump) + step
	}
	if e.is(ForgetsDeleted) {
		return step
	}
	return max(e.state.floor, e.jump) + step
}

// commit carries out the operations of b; its conditions have been judged.
func (e *engine) commit(b *engines.Batch, native bool) error {
	if e.is(SeriesHalfRefused) {
		if err := e.refuseDeletes(b); err != nil {
			return err
		}
	}
	changes := make([]change, 0, len(b.Ops))
	top := engines.Version(0)
	for i := range b.Ops {
		c, err := e.plan(&b.Ops[i], native)
		switch {
		case err != nil && e.is(SkipsBadRenewal) && len(b.Ops) > 1:
			continue
		case err != nil && e.is(HalfBatch):
			e.installAll(changes)
			return err
		case err != nil:
			return err
		}
		top = max(top, c.Version)
		changes = append(changes, c)
		if c.Version != 0 || !e.is(LeavesAssigned) {
			b.Ops[i].Assigned = c.Version
		}
	}
	if e.is(OneKeyspace) && len(changes) > engines.NumKeyspaces {
		changes = changes[:len(changes)-1]
	}
	if err := e.record(e.logged(changes), top); err != nil {
		e.failed = err
		return fmt.Errorf("mutant: %w", err)
	}
	if e.is(CopyMissesLatest) {
		e.before = e.state.clone()
	}
	e.installAll(changes)
	e.stats.Commits++
	if e.is(CacheComesBack) {
		e.evict()
	}
	return nil
}

// logged is the part of the changes that reaches the journal.
func (e *engine) logged(changes []change) []change {
	var kept []change
	for _, c := range changes {
		if (e.is(Resurrects) && c.Version == 0) || (e.is(RenewalNotLogged) && c.Renewal) || e.drops(c) {
			continue
		}
		kept = append(kept, c)
	}
	return kept
}

func (e *engine) installAll(changes []change) {
	for i, c := range changes {
		if i > 0 && e.is(ShowsHalf) {
			e.mu.Unlock()
			runtime.Gosched()
			e.mu.Lock()
		}
		if e.drops(c) {
			continue
		}
		if e.is(StaleRead) {
			e.old = found{c.Key, e.state.live[c.Keyspace][c.Key]}
		}
		e.state.install(c)
	}
}

// plan works out what one operation changes.
func (e *engine) plan(op *engines.Op, native bool) (change, error) {
	ks, key := e.place(op.Keyspace, op.Key)
	c := change{Keyspace: ks, Key: key, KeyBytes: []byte(key)}
	if e.is(KeepsKey) && len(op.Key) > 0 {
		c.Key = unsafe.String(&op.Key[0], len(op.Key))
	}
	have, exists := e.find(op.Keyspace, op.Key)
	switch op.Kind {
	case engines.OpDelete:
		if e.is(DeleteIsLost) {
			return change{Keyspace: ks, Key: "\x00nothing", KeyBytes: []byte("\x00nothing")}, nil
		}
		return c, nil
	case engines.OpRenew:
		if !exists && !e.is(RenewCreates) {
			return c, engines.ErrNotFound
		}
		value, err := e.renewed(bytes.Clone(have.value), op.Renewal, native)
		if err != nil {
			return c, err
		}
		c.Value, c.Renewal = value, true
	default:
		c.Value = e.kept(op.Value)
	}
	c.Version = e.next(op.Keyspace, op.Key)
	return c, nil
}

// kept is the value that a put stores.
func (e *engine) kept(v []byte) []byte {
	switch {
	case e.is(KeepsValue):
		return v
	case e.is(ShortValues) && len(v) > 65535:
		v = v[:65535]
	case e.is(WrongAtTimes) && len(v) > 0 && e.stats.Commits%50 == 49:
		v = v[:len(v)-1]
	}
	return bytes.Clone(v)
}

// renewed applies a renewal to a copy of the record.
func (e *engine) renewed(raw []byte, r lease.Renewal, native bool) ([]byte, error) {
	if raw == nil && e.is(RenewCreates) {
		l := lease.New("", r.Now, 1, nil)
		l.ExpiresAt = r.ExpiresAt
		return l.AppendBinary(nil)
	}
	err := r.Check(raw)
	switch {
	case errors.Is(err, lease.ErrExpired) && e.is(RenewsExpired):
		err = nil
	case errors.Is(err, lease.ErrExpired) && e.is(RenewsAtExpiry) && lease.ExpiresAt(raw) == r.Now:
		err = nil
	}
	if err != nil {
		return nil, err
	}
	const count, countEnd = lease.HotOffset, lease.HotOffset + 4
	old := bytes.Clone(raw[count:countEnd])
	r.PatchChecked(raw)
	if e.is(ForgetsCount) || (e.is(NativeDiffers) && native) {
		copy(raw[count:countEnd], old)
	}
	return raw, nil
}

// RenewLease is engines.LeaseRenewer.RenewLease.
func (e *engine) RenewLease(ctx context.Context, key []byte, held engines.Version, r lease.Renewal) (engines.Version, error) {
	if err := e.cancelled(ctx); err != nil {
		return 0, err
	}
	if err := engines.ValidateKey(engines.Leases, key); err != nil {
		return 0, err
	}
	check := func() error {
		have, ok := e.find(engines.Leases, key)
		switch {
		case e.closed:
			return engines.ErrClosed
		case !ok && !e.is(RenewCreates):
			return engines.ErrNotFound
		case have.version != held && !e.is(NativeUnchecked):
			return &engines.ConflictError{Keyspace: engines.Leases, Want: held, Have: have.version}
		}
		return nil
	}
	if e.is(NativeUnlocked) {
		e.mu.RLock()
		err := check()
		e.mu.RUnlock()
		if err != nil {
			return 0, err
		}
		linger()
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.is(NativeUnlocked) {
		if err := check(); err != nil {
			if errors.Is(err, engines.ErrConflict) {
				e.stats.Conflicts++
			}
			return 0, err
		}
	}
	var b engines.Batch
	b.Renew(bytes.Clone(key), r)
	if err := e.commit(&b, true); err != nil {
		return 0, err
	}
	return b.Ops[0].Assigned, nil
}

// Stats is engines.Engine.Stats.
func (e *engine) Stats() engines.Stats {
	e.mu.RLock()
	defer e.mu.RUnlock()
	st := e.stats
	for ks := range e.state.live {
		st.Records += uint64(len(e.state.live[ks]))
	}
	return st
}

// linger lets others in where a mutant has left a gap.
func linger() { time.Sleep(50 * time.Microsecond) }
