package crash

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"orbitbench/harness/crash/record"
	"orbitbench/harness/filetree"
)

// Replayed is a failure seen again, or not.
type Replayed struct {
	Failure
	Now        Judgement // what the oracle says today
	Reproduced bool      // an invariant that was broken then is broken now
}

// Replay rebuilds the store of a saved failure and judges it again. lookup gives
// the engine's description; scratch is where the store is rebuilt.
func Replay(ctx context.Context, path, scratch string, lookup Lookup, pool *Pool) (*Replayed, error) {
	f, m, dir, err := loadFailure(path)
	if err != nil {
		return nil, err
	}
	driver, err := lookup(f.Target.Engine)
	if err != nil {
		return nil, err
	}
	f.Target.Info = driver.Info()
	out := &Replayed{Failure: *f}
	if f.State == nil {
		out.Now, err = replayCopy(ctx, f, m, dir, scratch, pool)
	} else {
		out.Now, err = replayState(ctx, f, m, dir, scratch, pool)
	}
	for _, was := range f.Judgement.Violations {
		for _, is := range out.Now.Violations {
			out.Reproduced = out.Reproduced || was.Invariant == is.Invariant
		}
	}
	return out, err
}

// replayCopy judges a copy of a store that was killed.
func replayCopy(ctx context.Context, f *Failure, m *Model, dir, scratch string, pool *Pool) (Judgement, error) {
	from := filepath.Join(dir, storeCopyDir)
	if _, err := os.Stat(from); err != nil {
		return Judgement{}, fmt.Errorf("%s: the failure was seen without a crash, and can only be seen again by the whole cell: --seed %d", dir, f.Seed)
	}
	if _, err := filetree.Copy(ctx, from, storeIn(scratch)); err != nil {
		return Judgement{}, err
	}
	found, err := pool.Verify(ctx, &f.Target, storeIn(scratch), VerifyOptions{Probes: m.Probes(probesPerCrash), Renew: true, SelfCheck: true})
	return Judge(&Evidence{Model: m, At: f.At, Rules: f.Rules, Found: found}), err
}

// replayState rebuilds a state of a recording.
func replayState(ctx context.Context, f *Failure, m *Model, dir, scratch string, pool *Pool) (j Judgement, err error) {
	var s record.State
	if err := json.Unmarshal(f.State, &s); err != nil {
		return j, fmt.Errorf("%s: state: %w", filepath.Join(dir, failureFile), err)
	}
	recording, err := record.Load(filepath.Join(dir, recordingDir), scratch)
	if err != nil {
		return j, err
	}
	place, done, err := recording.Materialize(ctx, s)
	if err != nil {
		return j, err
	}
	defer func() { err = errors.Join(err, done()) }()
	found, err := pool.Verify(ctx, &f.Target, storeIn(place), VerifyOptions{Probes: m.Probes(probesPerCrash), Renew: true})
	return Judge(&Evidence{Model: m, At: f.At, Rules: f.Rules, Found: found, Before: f.Before}), err
}
