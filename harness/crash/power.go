package crash

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"orbitbench/engines"
	"orbitbench/harness/crash/record"
)

// Power cuts the power: a worker runs on a stage that records what is written, and
// its store is rebuilt as it may have been at any moment.
type Power struct {
	// Stage is what package record knows it by: file-posix, file-ext4, block-ext4,
	// block-ext4-writeback, block-xfs.
	Stage string
	// StatesPerRecording is how many crash states are taken from one worker's work.
	StatesPerRecording int
}

// Powers returns the methods that cut the power.
func Powers() []Method {
	return []Method{
		Power{"file-posix", 250}, Power{"file-ext4", 250},
		Power{"block-ext4", 125}, Power{"block-ext4-writeback", 125}, Power{"block-xfs", 125},
	}
}

// Name is Method.
func (p Power) Name() string { return p.Stage }

// Unit is Method.
func (Power) Unit() string { return "state" }

// Available is Method.
func (p Power) Available() error {
	sort, mount, _ := strings.Cut(p.Stage, "-")
	if sort == "file" {
		return record.Available(sort)
	}
	return record.Available(mount)
}

// Judges is Method.
func (Power) Judges(info engines.Info, d engines.Durability) error {
	if d.Class == engines.None || d.Class == engines.Process {
		return fmt.Errorf("class %s promises nothing under a power cut", d.Class)
	}
	return info.Supports(d)
}

// Run is Method.
func (p Power) Run(ctx context.Context, t *Trial) error {
	for n := 0; t.Remaining() > 0; n++ {
		if err := ctx.Err(); err != nil {
			return err
		}
		before := t.Remaining()
		if err := p.recording(ctx, t, n); err != nil {
			return err
		}
		if t.Remaining() == before {
			return fmt.Errorf("recording %d gave no crash state that could be tested", n+1)
		}
	}
	return nil
}

// loadFor is the load of the n-th recording: few commits, of which much is tried.
func loadFor(t *Trial, n int) Load {
	rng := rand.New(rand.NewPCG(t.Seed, uint64(n)))
	l := Load{Seed: rng.Uint64(), Writers: writersOf[n%len(writersOf)], Readers: 1, Sessions: 1 + n%2, CloseAtEnd: n%3 == 1, Pause: pauseFor(t.Target.Durability, 4)}
	l.Steps = max(commitsPerRecording/l.Writers, 6)
	l.CheckpointEvery = max(l.Steps/4, 2)
	return l
}

const commitsPerRecording = 240

// recording runs one worker and tests states of what it wrote.
func (p Power) recording(ctx context.Context, t *Trial, n int) (err error) {
	base := filepath.Join(t.Dir, fmt.Sprintf("recording-%d", n))
	if err := os.MkdirAll(base, 0o755); err != nil {
		return err
	}
	stage, err := p.stage(ctx, base)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stage.Close(), os.RemoveAll(base)) }()
	h, ended := Drive(ctx, &t.Target, DriveOptions{Store: storeIn(stage.Dir()), Load: loadFor(t, n), Now: stage.Now})
	if err := engineFault(ended); err != nil {
		return err
	}
	recording, err := stage.Finish(ctx)
	if err != nil {
		return fmt.Errorf("recording %d: %w", n+1, err)
	}
	t.Recorded(h)
	m, err := NewModel(h)
	if err != nil {
		return err
	}
	r := &replaying{Trial: t, recording: recording, model: m, rules: RulesFor(t.Target.Info, t.Target.Durability, true)}
	if vs := workerViolations(h, ended); len(vs) > 0 {
		j := &Judgement{Violations: vs, Acked: m.Acked(End)}
		if err := t.Tested(j, "no crash: the work itself", func(dir string) error { return r.failure(j, End, "no crash").save(dir, h) }); err != nil {
			return err
		}
	}
	return r.states(ctx, record.Options{Seed: t.Seed + uint64(n), States: min(p.StatesPerRecording, t.Remaining()), Mark: m.told})
}

// stage makes what its name says, below base.
func (p Power) stage(ctx context.Context, base string) (record.Stage, error) {
	sort, kind, _ := strings.Cut(p.Stage, "-")
	if sort == "file" {
		return record.NewFileStage(ctx, base, kind)
	}
	return record.NewBlockStage(ctx, base, kind)
}

// replaying tests the states of one recording.
type replaying struct {
	*Trial
	recording record.Recording
	model     *Model
	rules     Rules
}

// states tests as many at a time as there are verifiers.
func (r *replaying) states(ctx context.Context, o record.Options) error {
	if o.States <= 0 {
		return nil
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	states := make(chan record.State)
	var workers sync.WaitGroup
	for range r.Pool.Size() {
		workers.Go(func() {
			for s := range states {
				if err := r.test(ctx, s); err != nil {
					cancel(err)
				}
			}
		})
	}
	for s := range r.recording.States(o) {
		select {
		case states <- s:
		case <-ctx.Done():
		}
		if ctx.Err() != nil {
			break
		}
	}
	close(states)
	workers.Wait()
	return context.Cause(ctx)
}

// test judges one state and tells of it.
func (r *replaying) test(ctx context.Context, s record.State) error {
	j, err := r.judge(ctx, s)
	if err != nil || j == nil {
		return err
	}
	if len(j.Violations) > 0 && r.IsNew(j.Violations) {
		if s, j, err = r.shrink(ctx, s, j); err != nil {
			return err
		}
	}
	where := r.recording.Describe(s)
	return r.Tested(j, where, func(dir string) error {
		raw, err := json.Marshal(s)
		if err != nil {
			return err
		}
		f := r.failure(j, s.At, where)
		f.State = raw
		if err := os.MkdirAll(filepath.Join(dir, recordingDir), 0o755); err != nil {
			return err
		}
		return errors.Join(f.save(dir, r.model.History), r.recording.Save(filepath.Join(dir, recordingDir)))
	})
}

func (r *replaying) failure(j *Judgement, at uint64, where string) *Failure {
	return &Failure{Target: r.Target, Method: r.Method.Name(), Seed: r.Seed, At: at, Rules: r.rules, Where: where, Judgement: *j}
}

// judge rebuilds a state and verifies it; nil if the file system would not mount.
func (r *replaying) judge(ctx context.Context, s record.State) (j *Judgement, err error) {
	dir, done, err := r.recording.Materialize(ctx, s)
	if errors.Is(err, record.ErrNoMount) {
		r.NotMounted()
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, done()) }()
	found, err := r.Pool.Verify(ctx, &r.Target, storeIn(dir), r.options(s))
	if err != nil {
		return nil, err
	}
	judged := Judge(&Evidence{Model: r.model, At: s.At, Rules: r.rules, Found: found})
	return &judged, nil
}

// recoveryKills is one in how many states has its first recovery killed.
const recoveryKills = 16

func (r *replaying) options(s record.State) VerifyOptions {
	o := VerifyOptions{Probes: r.model.Probes(probesPerCrash), Renew: true}
	rng := rand.New(rand.NewPCG(r.Seed, s.At^uint64(len(s.Lost))<<32))
	if rng.IntN(recoveryKills) == 0 {
		o.KillAfter = time.Duration(rng.IntN(10_000)) * time.Microsecond
	}
	return o
}

// shrink looks for the least set of lost operations that still breaks the same
// invariant. A store that hangs is not tried again and again.
func (r *replaying) shrink(ctx context.Context, s record.State, j *Judgement) (record.State, *Judgement, error) {
	first := j.Violations[0]
	if first.Pattern == OutcomeHung {
		return s, j, nil
	}
	best := j
	least, err := r.recording.Shrink(ctx, s, func(try record.State) (bool, error) {
		again, err := r.judge(ctx, try)
		if err != nil || again == nil {
			return false, err
		}
		for _, v := range again.Violations {
			if v.Invariant == first.Invariant && v.Pattern == first.Pattern {
				best = again
				return true, nil
			}
		}
		return false, nil
	})
	if err != nil {
		return s, j, err
	}
	// What is told is what the least state shows: the last one that still failed.
	return least, best, nil
}
