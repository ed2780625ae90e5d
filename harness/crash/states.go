package crash

import (
	"context"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"time"

	"orbitbench/harness/crash/record"
)

// replaying tests the states of one recording, one after the other.
type replaying struct {
	*Trial
	recording record.Recording
	model     *Model
	rules     Rules
	probes    []BaseRecord
	left      int // states still to be tested
	// outer is the crash whose recovery this is a recording of, nil if it is of a worker.
	outer *outerCrash
}

// states tests up to r.left of them.
func (r *replaying) states(ctx context.Context, o record.Options) error {
	if r.left <= 0 {
		return nil
	}
	for s := range r.recording.States(o) {
		if err := r.test(ctx, s); err != nil {
			return err
		}
		if r.left <= 0 {
			return nil
		}
	}
	return nil
}

// test judges one state and tells of it.
func (r *replaying) test(ctx context.Context, s record.State) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	j, err := r.judge(ctx, s)
	if err != nil || j == nil {
		return err
	}
	if len(j.Violations) > 0 && r.IsNew(j.Violations) {
		if s, j, err = r.shrink(ctx, s, j); err != nil {
			return err
		}
	}
	r.left--
	if len(j.Violations) == 0 && r.recuts(s) {
		if err := r.recut(ctx, s); err != nil {
			return err
		}
	}
	where := r.describe(s)
	return r.Tested(j, where, func(dir string) error {
		raw, err := json.Marshal(s)
		if err != nil {
			return err
		}
		f := r.failure(j, r.at(s), where)
		f.State, f.Before = raw, r.before()
		if err := os.MkdirAll(filepath.Join(dir, recordingDir), 0o755); err != nil {
			return err
		}
		return errors.Join(f.save(dir, r.model.History), r.recording.Save(filepath.Join(dir, recordingDir)))
	})
}

func (r *replaying) failure(j *Judgement, at uint64, where string) *Failure {
	return &Failure{Target: r.Target, Method: r.Method.Name(), Seed: r.Seed, At: at, Rules: r.rules, Where: where, Judgement: *j}
}

// judge has a state looked at, and judges it; nil if the file system would not mount.
func (r *replaying) judge(ctx context.Context, s record.State) (*Judgement, error) {
	found, err := r.look(ctx, s)
	if err != nil || found == nil {
		return nil, err
	}
	judged := Judge(&Evidence{Model: r.model, At: r.at(s), Rules: r.rules, Found: *found, Before: r.before()})
	return &judged, nil
}

// look rebuilds a state and verifies it; nil if the file system would not mount.
func (r *replaying) look(ctx context.Context, s record.State) (found *Verified, err error) {
	dir, done, err := r.recording.Materialize(ctx, s)
	if errors.Is(err, record.ErrNoMount) {
		r.NotMounted()
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, done()) }()
	v, err := r.Pool.Verify(ctx, &r.Target, storeIn(dir), r.options(s))
	return &v, err
}

// recoveryKills is one in how many states has its first recovery killed.
const recoveryKills = 48

func (r *replaying) options(s record.State) VerifyOptions {
	o := VerifyOptions{Probes: r.probes, Renew: true}
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
