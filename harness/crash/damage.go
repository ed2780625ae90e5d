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
	"orbitbench/harness/filetree"
)

// Damage is damage at rest: bytes of the store's files are changed while nobody
// has it open. After a clean close whatever is changed must give the right data or
// an explicit error. After a kill that holds for all bytes that were followed by
// further commits: damage in the middle of a log is not a torn tail.
type Damage struct {
	// FlipsOnly: nothing but single bits, anywhere in the files of a store that was
	// closed. Then our own engines owe the right data or ErrCorrupt, with no excuse.
	FlipsOnly bool
}

// Name is Method.
func (d Damage) Name() string {
	if d.FlipsOnly {
		return "damage-bitflip"
	}
	return "damage"
}

// Unit is Method.
func (Damage) Unit() string { return "trial" }

// Available is Method: it can be had everywhere.
func (Damage) Available() error { return nil }

// Judges is Method.
func (Damage) Judges(info engines.Info, d engines.Durability) error {
	if d.Class != engines.Sync && d.Class != engines.Process {
		return errors.New("damage at rest is tried in classes sync and process, whose files the others share")
	}
	return info.Supports(d)
}

// Trials is Sized.
func (Damage) Trials(gate string) int {
	return map[string]int{"pr": 120, "nightly": 3000, "release": 9000}[gate]
}

// Run is Method.
func (d Damage) Run(ctx context.Context, t *Trial) error {
	var lanes sync.WaitGroup
	failures := make([]error, t.Pool.Size())
	claims := newClaims(t.Want)
	for i := range failures {
		lanes.Go(func() {
			lane := &damageLane{t: t, flips: d.FlipsOnly, claims: claims, dir: filepath.Join(t.Dir, fmt.Sprintf("lane-%d", i))}
			failures[i] = lane.run(ctx)
		})
	}
	lanes.Wait()
	return errors.Join(failures...)
}

// trialsPerStore is how often one store is damaged before the next takes its place.
const trialsPerStore = 100

// damageLane damages copies of two stores: one that was closed and one that was killed.
type damageLane struct {
	t      *Trial
	flips  bool // single bits of the closed one only
	claims *claims
	dir    string
	tried  int
	closed *patient
	killed *patient
}

func (l *damageLane) run(ctx context.Context) error {
	for ctx.Err() == nil {
		n, ok := l.claims.take()
		if !ok {
			return nil
		}
		rng := rand.New(rand.NewPCG(l.t.Seed, uint64(n)))
		if l.tried%trialsPerStore == 0 {
			if err := l.admit(ctx, rng); err != nil {
				return err
			}
		}
		l.tried++
		if err := l.round(ctx, n, rng); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// admit makes the two stores.
func (l *damageLane) admit(ctx context.Context, rng *rand.Rand) (err error) {
	if err := os.RemoveAll(l.dir); err != nil {
		return err
	}
	if l.closed, err = l.closedStore(ctx, rng); err != nil || l.flips {
		return err
	}
	l.killed, err = l.killedStore(ctx, rng)
	return err
}

// patient is a store that nobody has open, what it must hold, and how it was earlier.
type patient struct {
	what  string // in words
	store string // its directory
	early string // a copy of it from half way
	model *Model
	rules Rules
	// settled: only bytes that were there half way already may be damaged.
	settled bool
	files   []target
}

// prepare runs a worker over a new store, and copies it once half says so.
func (l *damageLane) prepare(ctx context.Context, name string, load Load, half func(e *Event) bool) (*patient, error) {
	dir := filepath.Join(l.dir, name)
	p := &patient{what: name, store: storeIn(dir), early: filepath.Join(dir, "early")}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	var copyErr error
	copied := false
	h, err := Drive(ctx, &l.t.Target, DriveOptions{Store: p.store, Load: load, Each: func(e *Event) bool {
		if !copied && half(e) {
			copied = true
			_, copyErr = filetree.Copy(ctx, p.store, p.early)
		}
		return false
	}})
	if err = errors.Join(err, copyErr); err != nil {
		return nil, fmt.Errorf("the store to be damaged: %w", err)
	}
	if !copied {
		return nil, fmt.Errorf("the store to be damaged: its worker ended half way")
	}
	l.t.Recorded(h)
	if p.model, err = NewModel(h); err != nil {
		return nil, err
	}
	p.files, err = targetsIn(p.store, p.early)
	return p, err
}

func (l *damageLane) closedStore(ctx context.Context, rng *rand.Rand) (*patient, error) {
	load := Load{Seed: rng.Uint64(), Writers: 3, Steps: 30, Sessions: 2, CheckpointEvery: 6 + rng.IntN(16), CloseAtEnd: true}
	p, err := l.prepare(ctx, "closed", load, func(e *Event) bool { return e.Kind == Closed })
	if err != nil {
		return nil, err
	}
	p.rules = Rules{Promise: All} // Close makes everything durable
	return p, nil
}

func (l *damageLane) killedStore(ctx context.Context, rng *rand.Rand) (*patient, error) {
	load := Load{Seed: rng.Uint64(), Writers: 1, Steps: 60, Sessions: 1}
	if rng.IntN(2) == 0 {
		load.CheckpointEvery = 20
	}
	acked := 0
	p, err := l.prepare(ctx, "killed", load, func(e *Event) bool {
		if e.Kind == Acked {
			acked++
		}
		return acked == load.Steps*2/3
	})
	if err != nil {
		return nil, err
	}
	p.rules, p.settled = RulesFor(l.t.Target.Info, l.t.Target.Durability, false), true
	return p, nil
}

// round damages a copy of a store and judges what the engine makes of it.
func (l *damageLane) round(ctx context.Context, n int, rng *rand.Rand) error {
	t, p := l.t, l.closed
	// In class process a power cut may leave a log with holes, and recovery must take
	// the first hole for the end: only class sync can tell one from damage.
	if !l.flips && n%4 == 3 && t.Target.Durability.Class == engines.Sync {
		p = l.killed
	}
	dir := filepath.Join(l.dir, "trial")
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	if _, err := filetree.Copy(ctx, p.store, storeIn(dir)); err != nil {
		return err
	}
	hurt := p.hurt
	if l.flips {
		hurt = p.flip
	}
	where, err := hurt(rng, storeIn(dir))
	if err != nil {
		return err
	}
	var saved string
	if t.Failures != "" {
		saved = filepath.Join(l.dir, "damaged") // the verifier may mend what it opens
		if err := os.RemoveAll(saved); err != nil {
			return err
		}
		if _, err := filetree.Copy(ctx, storeIn(dir), saved); err != nil {
			return err
		}
	}
	found, err := t.Pool.Verify(ctx, &t.Target, storeIn(dir), VerifyOptions{OpenOnly: true})
	if err != nil {
		return err
	}
	where = fmt.Sprintf("%s, store %s", where, p.what)
	j := judgeDamage(&t.Target, p, found, l.flips)
	f := &Failure{Target: t.Target, Method: t.Method.Name(), Seed: t.Seed, At: End, Rules: p.rules, Where: where, Judgement: j}
	return t.Tested(&j, where, func(dir string) error {
		if _, err := filetree.Copy(ctx, saved, filepath.Join(dir, storeCopyDir)); err != nil {
			return err
		}
		return f.save(dir, p.model.History)
	})
}

// judgeDamage is Judge with what damage excuses taken out: any explicit error of
// an engine that is not ours, ErrCorrupt or ErrUnsupported (a damaged format
// number, unless strict) of ours, and an error that comes with the right data. Our
// own engines have to say where the damage is.
func judgeDamage(t *Target, p *patient, found Verified, strict bool) Judgement {
	j := Judge(&Evidence{Model: p.model, At: End, Rules: p.rules, Found: found, Damaged: true})
	told := t.Info.Module != ourModule || !strict && strings.Contains(found.Error, engines.ErrUnsupported.Error())
	if t.Info.Module == ourModule && found.Corrupt {
		j.Violations = append(j.Violations, unplaced(&found, strict)...)
	}
	kept := j.Violations[:0]
	for _, v := range j.Violations {
		switch {
		case v.Invariant == "liveness" && found.Outcome == OutcomeOK:
		case v.Invariant == "damage" && told:
		default:
			kept = append(kept, v)
		}
	}
	j.Violations = kept
	if found.Outcome == OutcomeRefused {
		j.Lost, j.LostAge = 0, 0 // it told: nothing was lost in silence
	}
	return j
}

// unplaced are the violations of an ErrCorrupt that does not say where: the file, and
// the offset where the file is there as a whole.
func unplaced(found *Verified, whole bool) (l listing) {
	switch {
	case found.CorruptFile == "":
		l.add("ErrCorrupt names no file", "%s", found.Error)
	case whole && found.CorruptAt < 0:
		l.add("ErrCorrupt names no offset", "%s", found.Error)
	}
	for i := range l {
		l[i].Invariant = "damage"
	}
	return l
}

// ourModule is Info.Module of the engines of this program.
const ourModule = "orbitbench"
