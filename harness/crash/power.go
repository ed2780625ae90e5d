package crash

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"

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

// Run is Method. As many recordings are at work at a time as there are verifiers,
// each with states of its own.
func (p Power) Run(ctx context.Context, t *Trial) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	shares := &quota{left: t.Want, most: min(p.StatesPerRecording, roundUp(t.Want, t.Pool.Size()))}
	var lanes sync.WaitGroup
	for range t.Pool.Size() {
		lanes.Go(func() {
			for ctx.Err() == nil {
				n, states := shares.take()
				if states == 0 {
					return
				}
				tested, err := p.recording(ctx, t, n, states)
				if err == nil && tested == 0 {
					err = fmt.Errorf("recording %d gave no crash state that could be tested", n+1)
				}
				if err != nil {
					cancel(err)
				}
				shares.giveBack(states - tested)
			}
		})
	}
	lanes.Wait()
	return context.Cause(ctx)
}

// quota deals out crash states to recordings.
type quota struct {
	mu   sync.Mutex
	next int // guarded by mu; number of the next recording
	left int // guarded by mu
	most int // for one recording
}

func (q *quota) take() (recording, states int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	states = min(q.most, q.left)
	q.left -= states
	q.next++
	return q.next - 1, states
}

// giveBack returns states that a recording could not give.
func (q *quota) giveBack(states int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.left += max(states, 0)
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

// recording runs one worker and tests so many states of what it wrote.
func (p Power) recording(ctx context.Context, t *Trial, n, states int) (tested int, err error) {
	base := filepath.Join(t.Dir, fmt.Sprintf("recording-%d", n))
	if err := os.MkdirAll(base, 0o755); err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(base)) }()
	r, ended, err := p.record(ctx, t, n, base)
	if err != nil {
		return 0, fmt.Errorf("recording %d: %w", n+1, err)
	}
	r.left = states
	if vs := workerViolations(r.model.History, ended); len(vs) > 0 {
		j := &Judgement{Violations: vs, Acked: r.model.Acked(End)}
		r.left--
		if err := t.Tested(j, "no crash: the work itself", func(dir string) error { return r.failure(j, End, "no crash").save(dir, r.model.History) }); err != nil {
			return 0, err
		}
	}
	err = r.states(ctx, record.Options{Seed: t.Seed + uint64(n), States: states, Mark: r.model.told})
	return states - r.left, err
}

// record runs one worker on a stage below base. ended is how its work ended, if that
// was the engine's doing.
func (p Power) record(ctx context.Context, t *Trial, n int, base string) (r *replaying, ended, err error) {
	stage, err := p.stage(ctx, base)
	if err != nil {
		return nil, nil, err
	}
	defer func() { err = errors.Join(err, stage.Close()) }()
	h, ended := Drive(ctx, &t.Target, DriveOptions{Store: storeIn(stage.Dir()), Load: loadFor(t, n), Now: stage.Now})
	if err := engineFault(ended); err != nil {
		return nil, nil, err
	}
	recording, err := stage.Finish(ctx)
	if err != nil {
		return nil, nil, err
	}
	t.Recorded(h)
	m, err := NewModel(h)
	if err != nil {
		return nil, nil, err
	}
	rules := RulesFor(t.Target.Info, t.Target.Durability, true)
	return &replaying{Trial: t, recording: recording, model: m, rules: rules, probes: m.Probes(probesPerCrash)}, ended, nil
}

// stage makes what its name says, below base.
func (p Power) stage(ctx context.Context, base string) (record.Stage, error) {
	sort, kind, _ := strings.Cut(p.Stage, "-")
	if sort == "file" {
		return record.NewFileStage(ctx, base, kind)
	}
	return record.NewBlockStage(ctx, base, kind)
}
