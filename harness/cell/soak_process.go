package cell

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"orbitbench/engines"
	"orbitbench/harness/clock"
	"orbitbench/harness/procstat"
	"orbitbench/harness/record"
	"orbitbench/harness/result"
	"orbitbench/workloads"
)

// soak is what soak-load is told beyond a recovery.
type soak struct {
	Seconds           float64 `json:"seconds"`
	CheckpointSeconds float64 `json:"checkpoint_seconds"` // between checkpoints that are asked for; 0: none are
}

// soakReply is a line that soak-load writes.
type soakReply struct {
	loadReply
	Path    string       `json:"path,omitempty"`
	Elapsed float64      `json:"elapsed,omitempty"` // seconds of the measured time
	PerS    float64      `json:"per_s,omitempty"`
	Summary *soakSummary `json:"summary,omitempty"` // once, when the time is over; the renewals go on
}

// soakSummary is what the process has measured.
type soakSummary struct {
	Seconds           float64         `json:"seconds"`
	Checkpoints       int             `json:"checkpoints"`
	CheckpointSeconds float64         `json:"checkpoint_seconds"`
	Steady            result.SoakPart `json:"steady"`
	During            result.SoakPart `json:"during"`
	PerSecond         []uint64        `json:"per_second"`
	Machine           *result.Machine `json:"machine,omitempty"`
}

// soaking is the process that renews until it is killed.
type soaking struct {
	*recovering
	clock   clock.Clock
	begin   int64 // of the measured time, on the clock
	windows *windows
	asked   []busy // checkpoints that were asked for; read when askedDone is closed
	engine  engines.Engine
	over    atomic.Bool // the measured time is over
	seconds []uint64    // renewals/s of each second
}

// soak loads, renews for the measured time, says what that gave, and goes on
// renewing until the process is killed.
func (r *recovering) soak(ctx context.Context) error {
	s := &soaking{recovering: r}
	return s.run(ctx)
}

func (s *soaking) run(ctx context.Context) error {
	e, err := s.driver.Open(ctx, s.options())
	if err != nil {
		return fmt.Errorf("open: %w", err)
	}
	s.engine, s.clock, s.windows = e, clock.New(), newWindows()
	d := s.directory(e)
	cell := &renewal{base: base{spec: &s.job.Spec, clock: s.clock, engine: e, cell: new(result.Cell)}, space: s.space}
	cell.table = newTable(&cell.arena, s.space.Size(), s.space.Shared())
	cell.progress = func(p Progress) { _ = s.out.Encode(loadReply{Done: int(p.Done)}) } // a reader that went away has killed us
	if err := cell.load(ctx, d); err != nil {
		return err
	}
	copy(s.acks.latest, cell.table.version)
	if err := s.out.Encode(soakReply{loadReply: loadReply{Loaded: s.space.Residents()}, Path: d.Path()}); err != nil {
		return err
	}
	around := beginAround(s.job.Spec.Dir)
	before, err := procstat.Read()
	if err != nil {
		return err
	}
	failed := make(chan error, s.job.Spec.Params.Workers+1)
	s.begin = s.clock.Now()
	for i, next := range workloads.NewRenewals(s.space, s.job.Spec.Seed) {
		w := cell.newWorker(d, next)
		go func() { failed <- s.renew(ctx, i, w) }()
	}
	asked, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(asked)
		if err := s.checkpoints(ctx, ended); err != nil {
			failed <- err
		}
	}()
	err = s.watch(ctx, failed)
	close(ended)
	if err != nil {
		return err
	}
	after, err := procstat.Read()
	if err != nil {
		return err
	}
	machine := around.end(after.UserNs + after.SystemNs - before.UserNs - before.SystemNs)
	<-asked
	sum := s.summary()
	sum.PerSecond, sum.Machine = s.seconds, machine
	if err := s.out.Encode(soakReply{Summary: sum}); err != nil {
		return err
	}
	return <-failed
}

// renew is one writer; it returns when an operation fails.
func (s *soaking) renew(ctx context.Context, writer int, w *worker) error {
	draw := make([]workloads.Draw, 1)
	began := s.clock.Now()
	for ctx.Err() == nil {
		w.next.Fill(draw)
		op, outcome := w.do(&draw[0], began)
		ended := s.clock.Now()
		switch {
		case op != workloads.Renew:
			return fmt.Errorf("%v where only renewals were asked for", op)
		case outcome == record.Error:
			return w.err
		case outcome == record.OK:
			s.acks.acknowledge(writer, draw[0].Actor, w.granted)
			if !s.over.Load() {
				s.windows.add(ended-s.begin, ended-began)
			}
		}
		began = ended
	}
	return errInterrupted
}

// checkpoints asks for a checkpoint now and then while the time is measured.
func (s *soaking) checkpoints(ctx context.Context, ended <-chan struct{}) error {
	c, ok := s.engine.(engines.Checkpointer)
	if !ok || s.job.Soak.CheckpointSeconds <= 0 {
		return nil
	}
	pause := time.Duration(s.job.Soak.CheckpointSeconds * 1e9)
	for {
		select {
		case <-time.After(pause):
		case <-ended:
			return nil
		case <-ctx.Done():
			return nil
		}
		begin := s.clock.Now()
		if err := c.Checkpoint(ctx); err != nil {
			return fmt.Errorf("checkpoint: %w", err)
		}
		s.asked = append(s.asked, busy{begin - s.begin, s.clock.Now() - s.begin})
	}
}

// watch folds windows and reports once a second until the measured time is over.
func (s *soaking) watch(ctx context.Context, failed <-chan error) error {
	tick := time.NewTicker(foldBehind * soakWindow / 4)
	defer tick.Stop()
	var lastSecond int
	var lastCount uint64
	var last float64 // when lastCount was taken, s
	for {
		select {
		case err := <-failed:
			return err
		case <-ctx.Done():
			return errInterrupted
		case <-tick.C:
		}
		now := s.clock.Now() - s.begin
		elapsed := float64(now) / 1e9
		if elapsed >= s.job.Soak.Seconds {
			s.over.Store(true)
			s.windows.fold(now-s.windows.length, true)
			return nil
		}
		s.windows.fold(now, false)
		if int(elapsed) > lastSecond {
			n := s.acks.renewals()
			per := float64(n-lastCount) / (elapsed - last)
			if int(elapsed) == lastSecond+1 { // a second that was missed has no figure of its own
				s.seconds = append(s.seconds, uint64(per))
			}
			lastSecond, lastCount, last = int(elapsed), n, elapsed
			if err := s.out.Encode(soakReply{Elapsed: elapsed, PerS: per}); err != nil {
				return err
			}
		}
	}
}

// summary tells the windows apart by what the engine says it did.
func (s *soaking) summary() *soakSummary {
	sum := &soakSummary{Seconds: s.job.Soak.Seconds}
	work := s.asked
	if sp, ok := s.engine.(engines.Spanner); ok {
		// An engine's own account is better, unless it leaves out what it was asked for.
		if own := s.reported(sp.Spans()); len(own) >= len(work) {
			work = own
		}
	}
	work = united(work)
	sum.Checkpoints = len(work)
	for _, b := range work {
		sum.CheckpointSeconds += float64(b.end-b.begin) / 1e9
	}
	sum.Steady, sum.During = s.windows.parts(work)
	return sum
}

// reported are the checkpoints among the spans that touch the measured time, cut to it.
func (s *soaking) reported(spans []engines.Span) (work []busy) {
	start := s.clock.Begin().Add(time.Duration(s.begin))
	length := int64(s.job.Soak.Seconds * 1e9)
	for _, span := range spans {
		b := busy{int64(span.Begin.Sub(start)), int64(span.End.Sub(start))}
		if span.End.IsZero() {
			b.end = length // it still runs
		}
		if isCheckpoint(span) && b.end > 0 && b.begin < length {
			work = append(work, busy{max(b.begin, 0), min(b.end, length)})
		}
	}
	return work
}

// united merges pieces of work that overlap. It reorders work.
func united(work []busy) []busy {
	slices.SortFunc(work, func(a, b busy) int { return cmp.Compare(a.begin, b.begin) })
	var out []busy
	for _, b := range work {
		if n := len(out); n > 0 && b.begin <= out[n-1].end {
			out[n-1].end = max(out[n-1].end, b.end)
			continue
		}
		out = append(out, b)
	}
	return out
}

// isCheckpoint reports whether a span is work that a checkpoint does: making a
// segment ready belongs to the steady state.
func isCheckpoint(s engines.Span) bool { return s.Kind != "segment" }
