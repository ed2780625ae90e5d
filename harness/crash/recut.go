package crash

import (
	"context"
	"errors"
	"math/rand/v2"

	"orbitbench/harness/crash/record"
)

// A power cut within a recovery: the store of a crash state is opened on a recorder,
// and the power is cut again at moments of what that wrote. Torn states are taken
// more often, since their recovery has most to mend.
const (
	recutTorn  = 8  // one in how many torn states
	recutOther = 64 // one in how many others
	recutMost  = 6  // states of one recovery
)

// recuts reports whether the recovery of a state is recorded.
func (r *replaying) recuts(s record.State) bool {
	if r.outer != nil {
		return false // one crash in another is enough
	}
	one := recutOther
	if len(s.Torn) > 0 {
		one = recutTorn
	}
	rng := rand.New(rand.NewPCG(r.Seed^s.Content, s.At))
	return rng.IntN(one) == 0
}

// recut records the recovery of a state that passed, and tests states of it. What
// was found to be acknowledged is what it was: nothing is written but by the recovery.
func (r *replaying) recut(ctx context.Context, s record.State) (err error) {
	stage, err := record.Restage(ctx, r.recording, s)
	if errors.Is(err, record.ErrNoMount) {
		r.NotMounted()
		return nil
	}
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stage.Close()) }()
	first, err := r.Pool.Verify(ctx, &r.Target, storeIn(stage.Dir()), VerifyOptions{OpenOnly: true})
	if err != nil {
		return err
	}
	recording, err := stage.Finish(ctx)
	if err != nil || first.Outcome != OutcomeOK {
		return err
	}
	in := *r
	in.recording, in.left = recording, min(recutMost, r.left)
	in.outer = &outerCrash{at: s.At, where: r.recording.Describe(s), found: first}
	before := in.left
	err = in.states(ctx, record.Options{Seed: r.Seed ^ s.Content, States: in.left})
	r.left -= before - in.left
	r.Recut(before - in.left)
	return err
}

// outerCrash is the crash whose recovery a recording is of.
type outerCrash struct {
	at    uint64 // stamp in the history
	where string
	found Verified // by the recovery that was recorded
}

// at is the stamp of a state in the history of the worker.
func (r *replaying) at(s record.State) uint64 {
	if r.outer != nil {
		return r.outer.at
	}
	return s.At
}

// describe tells a state in words.
func (r *replaying) describe(s record.State) string {
	if r.outer != nil {
		return r.outer.where + "; its recovery " + r.recording.Describe(s)
	}
	return r.recording.Describe(s)
}

// before is what a recovery that was cut had found, nil if none was cut.
func (r *replaying) before() Records {
	switch {
	case r.outer == nil:
		return nil
	case r.outer.found.Records == nil:
		return Records{} // it found an empty store
	}
	return r.outer.found.Records
}
