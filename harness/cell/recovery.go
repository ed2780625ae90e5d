package cell

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"orbitbench/engines"
	"orbitbench/harness/child"
	"orbitbench/harness/procstat"
	"orbitbench/harness/result"
	"orbitbench/workloads"
)

// A recovery cell, for each repetition:
//
//  1. The process recovery-load opens a fresh store, loads the leases, and
//     renews them with several writers. Each acknowledged version is stored in
//     memory that it shares with this process (acks.go).
//  2. When there were as many renewals as leases, or loadSeconds have passed,
//     it is killed with SIGKILL, while its writers are still at work.
//  3. The store's files are dropped from the page cache, where the kernel lets them go.
//  4. The process recovery-open opens the store, reads one lease whose
//     acknowledged version is known, renews it, and says when it had done so;
//     then it compares every lease.
//
// Times run from just before the start of recovery-open. A recovery that lost
// a lease has no time: the cell fails and says what was lost.
const (
	recoveryWriters = 8   // at least
	loadSeconds     = 2.0 // of renewing, where Params.Seconds does not say
	// recoveryLease keeps leases from running out in the middle of a repetition.
	recoveryLease = 3600.0
	// intervalMargin is added to the window of class interval before the kill.
	intervalMargin = time.Millisecond
)

// recoveryJob is what the processes of a repetition get on their stdin.
type recoveryJob struct {
	Spec  Spec   `json:"spec"`
	Store string `json:"store"`
	Probe int    `json:"probe"`          // which resident recovery-open reads first
	Soak  *soak  `json:"soak,omitempty"` // for soak-load

	Checkpoint bool `json:"checkpoint,omitempty"` // recovery-load: ask for one after the load
	Reads      int  `json:"reads,omitempty"`      // recovery-open: leases to read one by one after the first write
	Unchecked  bool `json:"unchecked,omitempty"`  // recovery-open: compare no more than what was read
}

// loadReply is a line that recovery-load writes.
type loadReply struct {
	Loaded int `json:"loaded,omitempty"`
	// Checkpointed: the engine took a checkpoint as it was asked to.
	Checkpointed bool   `json:"checkpointed,omitempty"`
	Done         int    `json:"done,omitempty"`
	Error        string `json:"error,omitempty"`
}

// openReply is what recovery-open writes. Times are of CLOCK_MONOTONIC, in ns.
type openReply struct {
	OpenBegin  int64           `json:"open_begin"`
	OpenEnd    int64           `json:"open_end"`
	FirstRead  int64           `json:"first_read"`
	FirstWrite int64           `json:"first_write"`
	Path       string          `json:"path"`
	Check      result.Check    `json:"check"`
	Reads      *result.Latency `json:"reads,omitempty"`
	Error      string          `json:"error,omitempty"`
}

func runRecovery(ctx context.Context, s *Spec, progress func(Progress), c *result.Cell) error {
	if s.Durability.Class == engines.None {
		return fmt.Errorf("%w: class none: nothing survives the kill by definition", engines.ErrUnsupported)
	}
	p := recoveryParams(s.Params)
	space, err := workloads.NewSpace(workloads.Params(p), s.Seed)
	if err != nil {
		return err
	}
	if space.Residents() == 0 {
		return errors.New("recovery wants leases to recover: prefill is 0")
	}
	inner := *s
	inner.Params = p
	c.Params = p
	c.Recovery = &result.Recovery{Leases: space.Residents(), Cache: "cold"}
	repetitions := max(1, s.Repetitions)
	for i := range repetitions {
		r := &repetition{spec: &inner, space: space, number: i, dir: filepath.Join(s.Dir, "repetition-"+strconv.Itoa(i+1)), cell: c,
			progress: func(phase string, share float64) {
				progress(Progress{Phase: phase, Done: float64(i) + share, Total: float64(repetitions)})
			}}
		err := r.run(ctx)
		if !s.KeepData {
			err = errors.Join(err, os.RemoveAll(r.dir))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// recoveryParams is the load of a recovery cell: renewals only, in a closed
// loop, with leases that outlive it.
func recoveryParams(p result.Params) result.Params {
	p.Workers = max(p.Workers, recoveryWriters)
	p.LeaseSeconds = max(p.LeaseSeconds, recoveryLease)
	p.Mix = map[string]float64{workloads.Renew.String(): 1}
	p.Loop, p.RatePerS, p.WarmupSeconds = workloads.Closed, 0, 0
	if p.Seconds <= 0 {
		p.Seconds = loadSeconds
	}
	return p
}

// repetition is one kill and recovery.
type repetition struct {
	spec     *Spec
	space    *workloads.Space
	number   int
	dir      string
	cell     *result.Cell
	progress func(phase string, share float64)
	acks     *acks
	// least is how many renewals come before the kill; 0 is as many as there are leases.
	least        uint64
	checkpointed bool // after the load
	extra        recoveryJob
}

func (r *repetition) run(ctx context.Context) (err error) {
	if err := os.Mkdir(r.dir, 0o755); err != nil {
		return err
	}
	if r.acks, err = newAcks(r.space.Size()); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.acks.Close()) }()
	begin := time.Now()
	renewals, err := r.loadAndKill(ctx)
	if err != nil {
		return err
	}
	r.phase("load", begin)
	trial := result.RecoveryTrial{}
	if trial.DiskBytes, err = procstat.DiskBytes(r.store()); err != nil {
		return err
	}
	cold, err := procstat.DropCache(r.store())
	if err != nil {
		return err
	}
	if !cold && r.cell.Recovery.Cache != "warm" {
		r.cell.Recovery.Cache = "warm"
		r.cell.Warnings = append(r.cell.Warnings, "the kernel kept pages of the store in its cache: recovery was not cold")
	}
	begin = time.Now()
	r.progress("recover", 0.7)
	reply, err := r.recover(ctx, &trial)
	if err != nil {
		return err
	}
	r.phase("recover", begin)
	r.cell.Path = reply.Path
	rec := r.cell.Recovery
	rec.RenewalsSinceLoad = renewals
	rec.Repetitions = append(rec.Repetitions, trial)
	r.cell.Check = &reply.Check
	if reply.Check.Lost+reply.Check.Phantom > 0 {
		return fmt.Errorf("recovery %d after kill -9: %s", r.number+1, reply.Check.Verdict)
	}
	return nil
}

func (r *repetition) store() string { return filepath.Join(r.dir, storeName) }

func (r *repetition) phase(name string, begin time.Time) {
	r.cell.Phases = append(r.cell.Phases, result.Phase{Name: name, Begin: begin.UTC(), Seconds: time.Since(begin).Seconds()})
}

func (r *repetition) job() recoveryJob {
	job := r.extra
	job.Spec, job.Store, job.Probe = *r.spec, r.store(), int(r.spec.Seed>>1+uint64(r.number)*7919)%r.space.Residents()
	return job
}

// loadAndKill runs recovery-load until it has renewed enough, and kills it.
func (r *repetition) loadAndKill(ctx context.Context) (renewals int, err error) {
	p, err := child.Start(ctx, []string{"cell", "recovery-load"}, r.job(), r.acks.file)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, p.Kill()) }()
	if err := r.awaitLoad(p); err != nil {
		return 0, err
	}
	r.progress("renew", 0.5)
	deadline := time.Now().Add(time.Duration(r.spec.Params.Seconds * 1e9))
	least := r.least
	if least == 0 {
		least = uint64(r.space.Residents())
	}
	for r.acks.renewals() < least && time.Now().Before(deadline) {
		if err := silent(p, time.Millisecond); err != nil {
			return 0, err
		}
	}
	if window := r.spec.Durability.Window; window > 0 {
		// What is acknowledged by now must survive a kill that comes a window later.
		r.acks.pledge()
		if err := silent(p, window+intervalMargin); err != nil {
			return 0, err
		}
	}
	if err := p.Kill(); err != nil {
		return 0, err
	}
	if r.spec.Durability.Window == 0 {
		r.acks.pledge()
	}
	if n := r.acks.renewals(); n > 0 {
		return int(n), nil
	}
	return 0, fmt.Errorf("recovery-load renewed nothing in %v s", r.spec.Params.Seconds)
}

// silent waits for d while the process loads on; all that it may have to say is
// that something failed.
func silent(p *child.Process, d time.Duration) error {
	line, err := p.Alive(d)
	if err != nil || line == nil {
		return err
	}
	var reply loadReply
	if err := json.Unmarshal(line, &reply); err == nil && reply.Error != "" {
		return errors.New(reply.Error)
	}
	return fmt.Errorf("recovery-load said %q", line)
}

// awaitLoad reads the process' lines until everything is loaded.
func (r *repetition) awaitLoad(p *child.Process) error {
	for {
		var reply loadReply
		if err := p.Decode(&reply); err != nil {
			return err
		}
		switch {
		case reply.Error != "":
			return errors.New(reply.Error)
		case reply.Loaded > 0:
			r.checkpointed = reply.Checkpointed
			return nil
		}
		r.progress("load", 0.5*float64(reply.Done)/float64(r.space.Residents()))
	}
}

// recover runs recovery-open and takes its times.
func (r *repetition) recover(ctx context.Context, trial *result.RecoveryTrial) (*openReply, error) {
	begin := monotonic()
	p, err := child.Start(ctx, []string{"cell", "recovery-open"}, r.job(), r.acks.file)
	if err != nil {
		return nil, err
	}
	defer p.Kill() // it ends by itself; this is for the ways out before
	reply := new(openReply)
	if err := p.Decode(reply); err != nil {
		return nil, err
	}
	if reply.Error != "" {
		return nil, fmt.Errorf("recovery %d after kill -9: %s", r.number+1, reply.Error)
	}
	trial.ExecToOpenNs, trial.OpenNs = reply.OpenEnd-begin, reply.OpenEnd-reply.OpenBegin
	trial.FirstReadNs, trial.FirstWriteNs = reply.FirstRead-begin, reply.FirstWrite-begin
	reply.Check.ReopenSeconds = float64(trial.OpenNs) / 1e9
	trial.Acknowledged, trial.Lost = reply.Check.Records, reply.Check.Lost
	if reply.Check.Lost+reply.Check.Phantom > 0 { // a recovery that lost or made up data is not to be ranked by its time
		trial.ExecToOpenNs, trial.OpenNs, trial.FirstReadNs, trial.FirstWriteNs = 0, 0, 0, 0
	}
	return reply, p.Wait()
}
