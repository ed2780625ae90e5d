package bench

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"orbitbench/engines"
	"orbitbench/harness/procstat"
	"orbitbench/harness/record"
)

// worker does one operation after the other. It is for one goroutine.
type worker interface {
	// step does the next operation. done is false when it was refused in the
	// way that the load expects (a lost race), which is counted and not timed.
	step() (done bool, err error)
}

// sampleEvery is the share of operations that is timed where not all are.
const sampleEvery = 16

// loop is a closed loop over some workers for a time slice.
type loop struct {
	workers []worker
	// sampled times every sampleEvery-th operation instead of each.
	sampled bool
	// opsPerStep is the number of operations that one step completes; 0 means 1.
	opsPerStep int
	// lead is the run-in before the slice: operations that end within it are
	// done and not counted.
	lead, slice time.Duration
	// stats reads the counters of the engine before and after, or is nil.
	stats func() engines.Stats
	// device is what the engine writes to, if its writes are to be counted.
	device *procstat.Device
	// beside, if not nil, runs from the end of the run-in until it has seen that
	// over is set; its error is the slice's.
	beside func(over *atomic.Bool) error
}

// sample is what one point did in one round.
type sample struct {
	ops       uint64  // completed within the slice
	nsPerOp   float64 // wall time of the slice by operation completed, all workers together
	p50, p99  float64 // ns, of one operation
	p999      float64
	flushes   float64 // waits for the device by operation
	logBytes  float64 // bytes handed to the log by operation
	bytes     float64 // allocated on the Go heap by operation
	allocs    float64 // by operation
	conflicts float64 // by operation attempted
	device    deviceShare

	open        openLoop
	steady      *sample // checkpointKind: the slice without checkpoints
	checkpoints float64 // checkpointKind: completed
	recovery    recovery
	collector   collector
	memory      memoryUse
}

// deviceShare is what the block device did.
type deviceShare struct {
	writes float64 // by operation; a flush of its cache is one
	why    string  // there is no figure, or "" if there is
}

// tally is what one worker saw.
type tally struct {
	h         *hdrhistogram.Histogram
	counted   uint64
	elapsed   time.Duration // of the counted operations
	attempted uint64        // over run-in, slice and the operation under way at its end
	refused   uint64
	err       error
}

// errStalled: the device or the engine stood still for a whole slice.
var errStalled = errors.New("no operation ended within the slice")

// run runs the loop once. Its errors are those of the workers, errStalled and ctx.Err().
func (l *loop) run(ctx context.Context) (sample, error) {
	tallies := make([]tally, len(l.workers))
	for i := range tallies {
		tallies[i].h = record.NewHistogram() // whole before the slice begins
	}
	var stop atomic.Bool
	defer context.AfterFunc(ctx, func() { stop.Store(true) })()
	var ready, done sync.WaitGroup
	start := make(chan time.Time)
	ready.Add(len(l.workers))
	for i, w := range l.workers {
		done.Go(func() {
			ready.Done()
			begin := <-start
			if l.sampled {
				l.runSampled(w, &tallies[i], begin, &stop)
			} else {
				l.runTimed(w, &tallies[i], begin, &stop)
			}
			if tallies[i].err != nil {
				stop.Store(true)
			}
		})
	}
	ready.Wait()
	before := l.readCounters()
	begin := time.Now()
	for range l.workers {
		start <- begin
	}
	besideErr := l.runBeside(&done, &stop)
	after := l.readCounters()
	s, err := l.summarise(ctx, tallies, before, after)
	return s, errors.Join(err, besideErr)
}

// runBeside waits for the workers, and runs what there is to run beside them.
func (l *loop) runBeside(workers *sync.WaitGroup, stop *atomic.Bool) error {
	if l.beside == nil {
		workers.Wait()
		return nil
	}
	var over atomic.Bool
	failed := make(chan error, 1)
	go func() {
		time.Sleep(l.lead)
		err := l.beside(&over)
		if err != nil {
			stop.Store(true)
		}
		failed <- err
	}()
	workers.Wait()
	over.Store(true)
	return <-failed
}

// runTimed times every operation. The end of one is the start of the next, so
// that choosing an actor is part of the time and one clock reading serves both.
func (l *loop) runTimed(w worker, t *tally, begin time.Time, stop *atomic.Bool) {
	end := l.lead + l.slice
	t.elapsed = l.slice
	for last := time.Since(begin); last < end && !stop.Load(); {
		done, err := w.step()
		now := time.Since(begin)
		t.attempted++
		if err != nil {
			t.err = err
			return
		}
		if !done {
			t.refused++
		} else if now > l.lead && now <= end {
			t.counted++
			t.record(now - last)
		}
		last = now
	}
}

// runSampled times every sampleEvery-th operation. The counted operations and
// their time run from the first stamp after the run-in to the last one within
// the slice.
func (l *loop) runSampled(w worker, t *tally, begin time.Time, stop *atomic.Bool) {
	end := l.lead + l.slice
	var first time.Duration
	var atFirst uint64
	for !stop.Load() {
		for range sampleEvery - 1 {
			if !t.try(w) {
				return
			}
		}
		from := time.Since(begin)
		if !t.try(w) {
			return
		}
		now := time.Since(begin)
		if now > end {
			return
		}
		succeeded := t.attempted - t.refused
		if first == 0 {
			if now > l.lead {
				first, atFirst = now, succeeded
			}
			continue
		}
		t.record(now - from)
		t.counted, t.elapsed = succeeded-atFirst, now-first
	}
}

func (t *tally) try(w worker) bool {
	done, err := w.step()
	t.attempted++
	if err != nil {
		t.err = err
		return false
	}
	if !done {
		t.refused++
	}
	return true
}

func (t *tally) record(d time.Duration) {
	if err := t.h.RecordValue(int64(d)); err != nil && t.err == nil {
		t.err = fmt.Errorf("one operation took %v, beyond the histogram", d)
	}
}

// counters are read before and after a loop.
type counters struct {
	engine        engines.Stats
	bytes, allocs uint64
	device        procstat.DeviceWrites
	written       uint64 // to the device by this process
	deviceErr     error
}

func (l *loop) readCounters() counters {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	c := counters{bytes: m.TotalAlloc, allocs: m.Mallocs}
	if l.stats != nil {
		c.engine = l.stats()
	}
	if l.device == nil {
		return c
	}
	if c.device, c.deviceErr = l.device.Read(); c.deviceErr != nil {
		return c
	}
	usage, err := procstat.Read()
	c.written, c.deviceErr = usage.DeviceWriteBytes, err
	return c
}

func (l *loop) summarise(ctx context.Context, tallies []tally, before, after counters) (sample, error) {
	var s sample
	var attempted, refused uint64
	perSecond := 0.0
	all := tallies[0].h
	for i := range tallies {
		t := &tallies[i]
		if t.err != nil {
			return s, t.err
		}
		s.ops += t.counted
		attempted += t.attempted
		refused += t.refused
		if t.elapsed > 0 {
			perSecond += float64(t.counted) / t.elapsed.Seconds()
		}
		if i > 0 && all.Merge(t.h) != 0 {
			return s, errors.New("histograms of two workers differ in range")
		}
	}
	if err := ctx.Err(); err != nil {
		return s, err
	}
	if s.ops == 0 || all.TotalCount() == 0 {
		return s, fmt.Errorf("%w of %v: use a longer --slice", errStalled, l.slice)
	}
	each := max(l.opsPerStep, 1)
	s.ops *= uint64(each)
	s.nsPerOp = 1e9 / perSecond / float64(each)
	s.p50, s.p99, s.p999 = float64(all.ValueAtQuantile(50)), float64(all.ValueAtQuantile(99)), float64(all.ValueAtQuantile(99.9))
	succeeded := float64(attempted-refused) * float64(each)
	s.flushes = float64(after.engine.Flushes-before.engine.Flushes) / succeeded
	s.logBytes = float64(after.engine.LogBytes-before.engine.LogBytes) / succeeded
	s.bytes = float64(after.bytes-before.bytes) / succeeded
	s.allocs = float64(after.allocs-before.allocs) / succeeded
	s.conflicts = float64(refused) / float64(attempted)
	s.device = deviceShare{why: "the device was not watched"}
	if l.device != nil {
		s.device = shareOfDevice(before, after, succeeded)
	}
	return s, nil
}

// foreignWrites is the part of what a device wrote that others may have caused
// before its count says nothing about this process.
const foreignWrites = 0.1

// shareOfDevice is what the device did for an operation. The counters are those
// of the whole machine: where it was given more than this process wrote,
// somebody else was at work and there is no figure.
func shareOfDevice(before, after counters, operations float64) deviceShare {
	if err := errors.Join(before.deviceErr, after.deviceErr); err != nil {
		return deviceShare{why: err.Error()}
	}
	all, own := float64(after.device.Bytes-before.device.Bytes), float64(after.written-before.written)
	if all > own*(1+foreignWrites) {
		return deviceShare{why: fmt.Sprintf("others wrote %.0f%% of what the device was given", 100*(all-own)/all)}
	}
	return deviceShare{writes: float64(after.device.Writes-before.device.Writes) / operations}
}
