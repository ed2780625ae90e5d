package mutants

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"orbitbench/engines"
)

// Snapshot is engines.Snapshotter.Snapshot.
func (e *engine) Snapshot(ctx context.Context, dir string) error {
	if err := e.cancelled(ctx); err != nil {
		return err
	}
	e.mu.Lock()
	if e.closed {
		e.mu.Unlock()
		return engines.ErrClosed
	}
	var copied *state
	switch {
	case e.is(CopyMissesLatest) && e.before != nil:
		copied = e.before
	case e.is(CopyByKeyspace):
		copied = e.cloneSlowly()
	default:
		copied = e.state.clone()
	}
	reserved, jump := e.reserved, e.jump
	if e.is(CopyStopsWriters) {
		defer e.mu.Unlock()
		time.Sleep(30 * time.Millisecond) // as a larger store would take
	} else {
		e.mu.Unlock()
	}
	if err := e.writeCopy(dir, copied, reserved, jump); err != nil {
		return fmt.Errorf("mutant: snapshot: %w", err)
	}
	return nil
}

// writeCopy makes dir a store that holds s.
func (e *engine) writeCopy(dir string, s *state, reserved, jump engines.Version) error {
	if err := makeEmpty(dir); err != nil && !(e.is(CopyIntoFull) && errors.Is(err, engines.ErrInvalid)) {
		return err
	}
	name := filepath.Join(dir, journalName)
	if e.is(CopyShares) {
		return os.Link(filepath.Join(e.dir, journalName), name)
	}
	if e.is(CopyForgetsFloor) {
		s.floor, reserved, jump = 0, 0, 0
	}
	if err := e.writeJournal(name, s, reserved, jump, true); err != nil {
		return err
	}
	return syncDir(filepath.Dir(dir))
}

// Checkpoint is engines.Checkpointer.Checkpoint: it replaces the journal by one
// that holds the state.
func (e *engine) Checkpoint(ctx context.Context) error {
	if err := e.cancelled(ctx); err != nil {
		return err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return engines.ErrClosed
	}
	s, begin := e.state, time.Now()
	if e.is(CheckpointLoses) {
		s = s.clone()
		e.mu.Unlock()
		time.Sleep(time.Millisecond)
		e.mu.Lock()
	}
	if err := e.checkpoint(s); err != nil {
		e.failed = err
		return fmt.Errorf("mutant: checkpoint: %w", err)
	}
	e.stats.Checkpoints++
	e.spans = append(e.spans, engines.Span{Kind: "checkpoint", Begin: begin, End: time.Now()})
	e.spans = e.spans[max(0, len(e.spans)-64):]
	return nil
}

func (e *engine) checkpoint(s *state) error {
	name := filepath.Join(e.dir, journalName)
	if err := e.writeJournal(name, s, e.reserved, e.jump, false); err != nil {
		return err
	}
	f, err := os.OpenFile(name, os.O_RDWR|os.O_APPEND, 0o644)
	if err != nil {
		return err
	}
	old := e.file
	e.file, e.buffer = f, nil // what the buffer held is part of the state
	return old.Close()
}

// Close is engines.Engine.Close.
func (e *engine) Close() error {
	e.mu.Lock()
	if e.closed {
		e.mu.Unlock()
		if e.is(ClosesTwice) {
			return nil
		}
		return engines.ErrClosed
	}
	e.closed = true
	e.mu.Unlock()
	if e.stop != nil {
		close(e.stop)
		<-e.done
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	err := e.failed
	if err == nil && !e.is(CloseLoses) {
		err = errors.Join(e.append(line{Clean: true}), e.flush())
	}
	return errors.Join(err, e.file.Close(), e.lock.Close())
}
