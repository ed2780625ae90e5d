package cell

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"orbitbench/engines"
	"orbitbench/engines/directory"
	"orbitbench/engines/lease"
	"orbitbench/harness/clock"
	"orbitbench/harness/crash"
	"orbitbench/harness/record"
	"orbitbench/harness/result"
	"orbitbench/workloads"
)

// acksDescriptor is where a process of a recovery finds the shared memory.
const acksDescriptor = 3

// recoveryProcess is the body of `cell NAME` for the processes of a recovery. What goes wrong with the engine is said on stdout; an error is returned for
// what is wrong with the call.
func recoveryProcess(ctx context.Context, args []string, lookup Lookup, stdin io.Reader, stdout io.Writer) error {
	if len(args) != 1 {
		return fmt.Errorf("arguments are %q, want none, or the name of a process", args)
	}
	var job recoveryJob
	if err := readJSON(stdin, &job); err != nil {
		return err
	}
	r := &recovering{job: &job, out: json.NewEncoder(stdout)}
	var err error
	if r.driver, err = lookup(job.Spec.Plan.Engine); err != nil {
		return err
	}
	if r.space, err = workloads.NewSpace(workloads.Params(job.Spec.Params), job.Spec.Seed); err != nil {
		return err
	}
	if r.acks, err = mapAcks(os.NewFile(acksDescriptor, "acks"), r.space.Size()); err != nil {
		return err
	}
	switch args[0] {
	case "recovery-load":
		err = r.load(ctx)
	case "soak-load":
		err = r.soak(ctx)
	case "recovery-open":
		reply, err := r.open(ctx)
		if err != nil {
			reply = &openReply{Error: err.Error()}
		}
		return r.out.Encode(reply)
	default:
		return fmt.Errorf("process is %q, want recovery-load, recovery-open or soak-load", args[0])
	}
	if err != nil {
		return r.out.Encode(loadReply{Error: err.Error()})
	}
	return nil
}

// recovering is one of the processes.
type recovering struct {
	job    *recoveryJob
	driver engines.Driver
	space  *workloads.Space
	acks   *acks
	out    *json.Encoder
}

func (r *recovering) options() engines.Options { return r.job.Spec.options(r.job.Store) }

func (r *recovering) directory(e engines.Engine) *directory.Directory {
	return directory.New(e, directory.Options{Generic: r.job.Spec.Path == PathGeneric})
}

// load loads and renews until it is killed.
func (r *recovering) load(ctx context.Context) error {
	e, err := r.driver.Open(ctx, r.options())
	if err != nil {
		return fmt.Errorf("open: %w", err)
	}
	d := r.directory(e)
	cell := &renewal{base: base{spec: &r.job.Spec, clock: clock.New(), engine: e, cell: new(result.Cell)}, space: r.space}
	cell.table = newTable(&cell.arena, r.space.Size(), r.space.Shared())
	cell.progress = func(p Progress) { _ = r.out.Encode(loadReply{Done: int(p.Done)}) } // a reader that went away has killed us
	if err := cell.load(ctx, d); err != nil {
		return err
	}
	// The load is acknowledged like everything else.
	copy(r.acks.latest, cell.table.version)
	reply := loadReply{Loaded: r.space.Residents()}
	if r.job.Checkpoint {
		if k, ok := e.(engines.Checkpointer); ok {
			if err := k.Checkpoint(ctx); err != nil {
				return fmt.Errorf("checkpoint after the load: %w", err)
			}
			reply.Checkpointed = true
		}
	}
	if err := r.out.Encode(reply); err != nil {
		return err
	}
	failed := make(chan error)
	for i, next := range workloads.NewRenewals(r.space, r.job.Spec.Seed) {
		w := cell.newWorker(d, next)
		go func() { failed <- r.renewForEver(ctx, i, w) }()
	}
	return <-failed
}

// renewForEver returns when an operation fails.
func (r *recovering) renewForEver(ctx context.Context, writer int, w *worker) error {
	draw := make([]workloads.Draw, 1)
	req := &draw[0]
	for ctx.Err() == nil {
		w.next.Fill(draw)
		switch op, outcome := w.do(req, w.clock.Now()); {
		case op != workloads.Renew:
			return fmt.Errorf("%v where only renewals were asked for", op)
		case outcome == record.Error:
			return w.err
		case outcome == record.OK:
			r.acks.acknowledge(writer, req.Actor, w.granted)
		}
	}
	return errInterrupted
}

// open opens what was left, takes the times, and compares.
func (r *recovering) open(ctx context.Context) (*openReply, error) {
	reply := &openReply{OpenBegin: monotonic()}
	e, err := r.driver.Open(ctx, r.options())
	if err != nil {
		return nil, fmt.Errorf("open: %w", err)
	}
	reply.OpenEnd = monotonic()
	d := r.directory(e)
	reply.Path = d.Path()
	session := d.NewSession()
	probeErr := r.probe(ctx, session, reply)
	if probeErr == nil && r.job.Reads > 0 {
		probeErr = r.reads(ctx, session, reply)
	}
	if r.job.Unchecked && probeErr == nil {
		reply.Check = result.Check{Records: 1 + r.job.Reads, Verdict: verdictOK}
		return reply, closing(e)
	}
	checked, err := checkStore(ctx, e, r.space, bounds{least: r.acks.pledged, most: r.acks.latest, extra: 1})
	if err != nil {
		return nil, err
	}
	reply.Check = *checked.conclude(engines.Sync)
	if errors.Is(probeErr, errNotFenced) { // a violation like a lease that nobody stored, and no mishap of the tool
		reply.Check.Phantom++
		reply.Check.Verdict = probeErr.Error()
	}
	if probeErr != nil && reply.Check.Lost+reply.Check.Phantom == 0 {
		return nil, probeErr // reading one by one and scanning differ
	}
	return reply, closing(e)
}

func closing(e engines.Engine) error {
	if err := e.Close(); err != nil {
		return fmt.Errorf("close: %w", err)
	}
	return nil
}

// reads reads leases all over the store, one by one, each verified.
func (r *recovering) reads(ctx context.Context, s *directory.Session, reply *openReply) error {
	var times record.Histogram
	var scratch lease.Lease
	key := make([]byte, 0, workloads.KeyRoom)
	for i := range r.job.Reads {
		// Odd multiples of a large prime lie far apart, whatever the number of leases.
		at := (uint64(r.job.Probe) + uint64(i+1)*2654435761) % uint64(r.space.Residents())
		actor := r.space.Resident(int(at))
		key = r.space.AppendKey(key[:0], actor)
		begin := monotonic()
		value, v, err := s.Get(ctx, key)
		times.Record(monotonic() - begin)
		if err != nil {
			return fmt.Errorf("read of actor %d: %w", actor, err)
		}
		if least := r.acks.pledged[actor]; uint64(v) < least {
			return fmt.Errorf("read of actor %d: version %d, acknowledged was %d", actor, v, least)
		}
		if err := r.space.CheckLease(actor, value, &scratch); err != nil {
			return fmt.Errorf("read of actor %d: %w", actor, err)
		}
	}
	merged, outOfRange, err := record.Merged(&times)
	if err != nil {
		return err
	}
	l, err := record.ToLatency(merged, outOfRange)
	reply.Reads = &l
	return err
}

// probe reads one lease, verifies it and renews it.
func (r *recovering) probe(ctx context.Context, s *directory.Session, reply *openReply) error {
	actor := r.space.Resident(r.job.Probe)
	key := r.space.AppendKey(nil, actor)
	value, v, err := s.Get(ctx, key)
	if err != nil {
		return fmt.Errorf("first read: %w", err)
	}
	if least := r.acks.pledged[actor]; uint64(v) < least {
		return fmt.Errorf("first read: version %d, acknowledged was %d", v, least)
	}
	if err := r.space.CheckLease(actor, value, nil); err != nil {
		return fmt.Errorf("first read: %w", err)
	}
	reply.FirstRead = monotonic()
	now := time.Now().UnixNano()
	granted, err := s.Renew(ctx, key, v, lease.Renewal{ExpiresAt: now + r.space.Duration(), Now: now})
	if err != nil {
		return fmt.Errorf("first write: %w", err)
	}
	reply.FirstWrite = monotonic()
	if broken, yes := (crash.Bounds{Issued: r.acks.latest[actor]}).Grant(uint64(granted)); yes {
		return fmt.Errorf("%w: %s: actor %d %s", errNotFenced, broken.Invariant, actor, broken.Detail)
	}
	r.acks.latest[actor], r.acks.pledged[actor] = uint64(granted), uint64(granted)
	return nil
}

var errNotFenced = errors.New("a version was granted twice")
