package crash

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"time"

	"orbitbench/engines"
	"orbitbench/harness/child"
)

// Target is what is tested: an engine as it is opened.
type Target struct {
	Info       engines.Info       `json:"-"`
	Engine     string             `json:"engine"`
	Durability engines.Durability `json:"durability"`
	// Config holds options that make small stores meet what large ones do: short
	// segments, small memtables. It is part of the result.
	Config map[string]any `json:"config,omitempty"`
}

func (t *Target) job(dir string) storeJob {
	return storeJob{Engine: t.Engine, Durability: t.Durability, Config: t.Config, Dir: dir}
}

// StoreName is the store's directory within the directory of a stage or a state.
const StoreName = "store"

// DriveOptions say how a worker is driven.
type DriveOptions struct {
	Store string // its directory; the parent exists
	Load  Load
	Base  []BaseRecord
	// Now stamps what the worker tells; nil counts.
	Now func() uint64
	// Each is called with every event before the worker is answered; true ends the
	// worker with SIGKILL, at once and without an answer. nil never does.
	Each func(e *Event) bool
	// KillAfter kills the worker that long after it has opened the store, 0 never.
	KillAfter time.Duration
	// Timeout is how long the worker may say nothing; 0 means DefaultTimeout.
	Timeout time.Duration
}

// DefaultTimeout is how long a process may be silent before it counts as hung.
// It is long: a machine that others use must not look like an engine that hangs.
const DefaultTimeout = 60 * time.Second

// ErrHung is the error of a process that said nothing for too long.
var ErrHung = errors.New("hung")

// Drive runs a worker until its load is over, or it is killed, or it ends. The
// history is returned with every error. ErrHung and a *WorkerError are about the
// engine; others are about the harness.
func Drive(ctx context.Context, t *Target, o DriveOptions) (*History, error) {
	h := &History{Load: o.Load, Base: o.Base}
	if err := o.Load.Validate(); err != nil {
		return h, err
	}
	if o.Now == nil {
		var n atomic.Uint64
		o.Now = func() uint64 { return n.Add(1) }
	}
	if o.Timeout == 0 {
		o.Timeout = DefaultTimeout
	}
	answers, ours, err := os.Pipe()
	if err != nil {
		return h, err
	}
	defer ours.Close()
	p, err := child.Start(ctx, []string{ChildVerb, workerName}, workerJob{t.job(o.Store), o.Load}, answers)
	err = errors.Join(err, answers.Close())
	if err != nil {
		return h, err
	}
	d := &driving{o: &o, history: h, process: p, answers: ours, watch: startStopwatch()}
	defer d.watch.stop()
	return h, errors.Join(d.run(), p.Kill())
}

// WorkerError is the end of a worker by its own: the engine could not be opened or
// closed, or it took the process with it.
type WorkerError struct{ Reason string }

func (e *WorkerError) Error() string { return "worker: " + e.Reason }

type driving struct {
	o       *DriveOptions
	history *History
	process *child.Process
	answers *os.File
	watch   *stopwatch
	kill    time.Time // when to, zero never
}

func (d *driving) run() error {
	for {
		wait := d.o.Timeout
		if !d.kill.IsZero() {
			wait = max(time.Until(d.kill), time.Nanosecond)
		}
		line, err := d.process.Alive(wait)
		switch {
		case errors.Is(err, child.ErrInterrupted):
			return err
		case err != nil:
			if n := len(d.history.Events); n > 0 && d.history.Events[n-1].Kind == Closed {
				return nil
			}
			return &WorkerError{err.Error()}
		case line == nil && !d.kill.IsZero():
			return nil
		case line == nil:
			return fmt.Errorf("worker: %w: it said nothing for %v", ErrHung, d.o.Timeout)
		}
		if over, err := d.take(line); over || err != nil {
			return err
		}
	}
}

// take gives an event its place and answers.
func (d *driving) take(line []byte) (over bool, err error) {
	var e Event
	if err := json.Unmarshal(line, &e); err != nil {
		return true, fmt.Errorf("worker said %q: %w", line, err)
	}
	e.At, e.Nanos = d.o.Now(), int64(d.watch.read())
	d.history.Events = append(d.history.Events, e)
	kill := d.o.Each != nil && d.o.Each(&e)
	switch {
	case e.Kind == Broken:
		return true, &WorkerError{e.Error}
	case kill, e.Kind == Done && !d.o.Load.CloseAtEnd:
		return true, nil
	case e.Kind == Opened && d.kill.IsZero() && d.o.KillAfter > 0:
		d.kill = time.Now().Add(d.o.KillAfter)
	}
	_, _ = d.answers.Write([]byte{'\n'}) // if the worker has gone, the next line says how
	return false, nil
}
