package cell

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"orbitbench/engines"
	"orbitbench/harness/child"
	"orbitbench/harness/procstat"
	"orbitbench/harness/result"
	"orbitbench/workloads"
)

// A soak:
//
//  1. The process soak-load opens a fresh store, loads the leases, and renews them with
//     many writers for the given time, in a closed loop, while checkpoints are
//     asked for on a schedule and taken by the engine as it sees fit. Latencies are told
//     apart by whether a checkpoint ran (soak_latency.go).
//  2. This process looks at the disk space of the store once a second.
//  3. When the time is over soak-load is killed with SIGKILL, its writers at work.
//  4. The store's directory is copied, and the process recovery-open opens the copy,
//     reads, renews, and compares every lease with what was acknowledged.

// SoakSpec says what to soak.
type SoakSpec struct {
	Engine     string
	Durability engines.Durability // not class None: nothing survives its kill
	Config     map[string]any     // the engine's own options
	Params     result.Params      // actors, value bytes, workers
	Seconds    float64            // of renewing, more than 0
	// CheckpointSeconds is the pause between checkpoints that are asked for; 0
	// leaves them to the engine.
	CheckpointSeconds float64
	Seed              uint64
	Dir               string // an existing empty directory; the caller removes it
}

// ErrSoakLost is returned with the result when the copy lost or made up leases.
var ErrSoakLost = errors.New("the copy taken at the kill is not what was acknowledged")

// Soak runs a soak. A context that ends ends it with an error. The result is
// nil with every error but ErrSoakLost.
func Soak(ctx context.Context, o SoakSpec, progress func(Progress)) (*result.Soak, error) {
	if err := o.validate(); err != nil {
		return nil, err
	}
	p := recoveryParams(o.Params)
	p.Workers, p.LeaseSeconds = o.Params.Workers, max(p.LeaseSeconds, 4*o.Seconds)
	space, err := workloads.NewSpace(workloads.Params(p), o.Seed)
	if err != nil {
		return nil, err
	}
	s := &soakRun{o: &o, progress: progress, out: &result.Soak{
		Schema: result.SchemaVersion, Engine: o.Engine, Durability: o.Durability.String(),
		Leases: space.Residents(), Writers: p.Workers, Seed: o.Seed,
	}}
	s.out.Disk.LiveBytes = uint64(space.Residents()) * uint64(space.KeyBytes()+p.ValueBytes)
	spec := Spec{Plan: result.PlanCell{Engine: o.Engine}, Kind: result.KindRecovery, Durability: o.Durability, Params: p, Config: o.Config, Seed: o.Seed, Dir: o.Dir}
	s.repetition = &repetition{spec: &spec, space: space, dir: filepath.Join(o.Dir, "soak"), cell: new(result.Cell), progress: func(string, float64) {}}
	return s.run(ctx)
}

func (o *SoakSpec) validate() error {
	switch {
	case o.Durability.Class == engines.None:
		return fmt.Errorf("%w: class none: nothing survives the kill by definition", engines.ErrUnsupported)
	case !(o.Seconds > 0):
		return fmt.Errorf("%w: soak of %v seconds, want more than 0", engines.ErrInvalid, o.Seconds)
	case !(o.CheckpointSeconds >= 0):
		return fmt.Errorf("%w: %v seconds between checkpoints, want 0 or more", engines.ErrInvalid, o.CheckpointSeconds)
	}
	return nil
}

// soakRun is a soak under way.
type soakRun struct {
	*repetition
	o        *SoakSpec
	progress func(Progress)
	out      *result.Soak
}

func (s *soakRun) run(ctx context.Context) (out *result.Soak, err error) {
	if err := os.Mkdir(s.dir, 0o755); err != nil {
		return nil, err
	}
	if s.acks, err = newAcks(s.space.Size()); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.acks.Close()) }()
	if err := s.loadAndKill(ctx); err != nil {
		return nil, err
	}
	if s.out.Disk.AtKillBytes, err = procstat.DiskBytes(s.store()); err != nil {
		return nil, err
	}
	if err := s.checkCopy(ctx); err != nil {
		return nil, err
	}
	if c := s.out.Check; c.Lost+c.Phantom > 0 {
		return s.out, fmt.Errorf("%w: %s", ErrSoakLost, c.Verdict)
	}
	return s.out, nil
}

// loadAndKill runs soak-load until it has said what it measured, and kills it.
func (s *soakRun) loadAndKill(ctx context.Context) (err error) {
	job := s.job()
	job.Soak = &soak{Seconds: s.o.Seconds, CheckpointSeconds: s.o.CheckpointSeconds}
	p, err := child.Start(ctx, []string{"cell", "soak-load"}, job, s.acks.file)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.Kill()) }()
	for {
		var reply soakReply
		if err := p.Decode(&reply); err != nil {
			return err
		}
		if reply.Error != "" {
			return errors.New(reply.Error)
		}
		if reply.Summary != nil {
			s.take(reply.Summary)
			return s.kill(p)
		}
		if err := s.heard(&reply); err != nil {
			return err
		}
	}
}

// heard takes a line that is about progress.
func (s *soakRun) heard(reply *soakReply) error {
	switch {
	case reply.Loaded > 0:
		s.out.Path = reply.Path
		s.progress(Progress{Phase: "loaded", Done: float64(reply.Loaded), Total: float64(reply.Loaded)})
		return s.lookAtDisk(0)
	case reply.Elapsed > 0:
		s.progress(Progress{Phase: "renew", Done: reply.Elapsed, Total: s.o.Seconds, OpsPerS: reply.PerS})
		return s.lookAtDisk(reply.Elapsed)
	default:
		s.progress(Progress{Phase: "load", Done: float64(reply.Done), Total: float64(s.space.Residents())})
	}
	return nil
}

func (s *soakRun) lookAtDisk(elapsed float64) error {
	n, err := procstat.DiskBytes(s.store())
	if err != nil {
		return err
	}
	peak := &s.out.Disk.FirstHalfPeakBytes
	if elapsed > s.o.Seconds/2 {
		peak = &s.out.Disk.SecondHalfPeakBytes
	}
	*peak = max(*peak, n)
	return nil
}

func (s *soakRun) take(sum *soakSummary) {
	out := s.out
	out.Seconds, out.Checkpoints, out.CheckpointSeconds = sum.Seconds, sum.Checkpoints, sum.CheckpointSeconds
	out.Steady, out.During = sum.Steady, sum.During
	out.PerSecond, out.Machine = sum.PerSecond, sum.Machine
	out.Renewals = sum.Steady.Renewals + sum.During.Renewals
	if out.Checkpoints == 0 {
		out.Warnings = append(out.Warnings, "no checkpoint ran: the soak is too short for the engine's own, and none was asked for that it knows of")
	}
}

// kill ends the writers in the middle of their work. What was pledged before
// must survive; under class interval the window goes by first.
func (s *soakRun) kill(p *child.Process) error {
	window := s.o.Durability.Window
	if window > 0 {
		s.acks.pledge()
		if err := silent(p, window+intervalMargin); err != nil {
			return err
		}
	}
	if err := p.Kill(); err != nil {
		return err
	}
	if window == 0 {
		s.acks.pledge()
	}
	return nil
}

// checkCopy copies the store and judges the copy.
func (s *soakRun) checkCopy(ctx context.Context) error {
	begin := time.Now()
	s.progress(Progress{Phase: "copy"})
	original := s.store()
	s.repetition.dir = filepath.Join(s.o.Dir, "copy")
	if err := os.CopyFS(s.store(), os.DirFS(original)); err != nil {
		return fmt.Errorf("copying the store: %w", err)
	}
	s.progress(Progress{Phase: "check", Done: time.Since(begin).Seconds()})
	reply, err := s.recover(ctx, new(result.RecoveryTrial))
	if err != nil {
		return err
	}
	s.out.Check = &reply.Check
	return nil
}
