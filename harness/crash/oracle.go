package crash

import (
	"math"
	"time"

	"orbitbench/engines"
)

// Evidence is one crash and what was found after it.
type Evidence struct {
	Model *Model
	// At is the stamp of the crash: what was told before it had happened. End is
	// after everything.
	At    uint64
	Rules Rules
	Found Verified
	// Before is what a recovery had found that was itself cut short by the crash; nil if
	// none was. Nothing was written since, so that the next one has to find the same.
	Before Records
	// Damaged: bytes were changed on purpose, so that ErrCorrupt is a right answer.
	Damaged bool
	// StoppedAt is the stamp of a failed sync, after which nothing may be
	// acknowledged; 0 if there was none.
	StoppedAt uint64
}

// End is the stamp after a whole history.
const End = math.MaxUint64

// Promise is what a durability class says about one kind of crash.
type Promise string

// The promises.
const (
	All     Promise = "all"     // everything acknowledged
	Window  Promise = "window"  // everything acknowledged before the window
	Nothing Promise = "nothing" // only that the store opens and makes nothing up
)

// Rules say what an engine must keep.
type Rules struct {
	Promise Promise       `json:"promise"`
	Window  time.Duration `json:"window_ns,omitempty"`
	// ReadsCount: what a reader was shown must survive as well, as the engine shows
	// commits only once they are durable.
	ReadsCount bool `json:"reads_count,omitempty"`
}

// RulesFor are those of a durability class, after a kill of the process or a power cut.
func RulesFor(info engines.Info, d engines.Durability, power bool) Rules {
	switch {
	case d.Class == engines.Sync, d.Class == engines.Process && !power:
		return Rules{Promise: All, ReadsCount: !info.VisibleBeforeDurable && d.Class == engines.Sync}
	case d.Class == engines.Interval:
		return Rules{Promise: Window, Window: d.Window}
	}
	return Rules{Promise: Nothing}
}

// allowance is how old an acknowledged commit may be at the crash and still be
// lost, by a clock that stands still while nobody runs. Twice the window, and what a busy machine takes to let a sync begin and
// end: how much was in fact lost is part of the result.
func (r Rules) allowance() time.Duration { return 2*r.Window + 50*time.Millisecond }

// Violation is what an invariant found.
type Violation struct {
	Invariant string `json:"invariant"`
	// Pattern is the same for all violations of the same sort: no keys, versions or paths.
	Pattern string `json:"pattern"`
	Detail  string `json:"detail"`
}

// Judgement is what the oracle says about one crash.
type Judgement struct {
	Violations []Violation `json:"violations,omitempty"`
	Acked      int         `json:"acked"` // commits acknowledged before the crash
	Lost       int         `json:"lost"`  // of those, not there any more
	// LostAge is how long before the crash the oldest lost commit was acknowledged.
	LostAge time.Duration `json:"lost_age_ns,omitempty"`
}

// Invariant is a named rule of CRASH: a pure function of the evidence.
type Invariant struct {
	Name  string
	Says  string
	check func(c *comparison) []Violation
}

// Invariants returns all of them. The numbers are those of the list in the documentation.
func Invariants() []Invariant {
	return []Invariant{
		{"durability", "1. a recovered record is at least as new as the last one acknowledged", checkDurability},
		{"phantom", "2. nothing is there that was never written, in bytes or in version", checkPhantom},
		{"atomicity", "3. a batch is there as a whole or not at all, and a version has one owner", checkAtomicity},
		{"fencing", "4. the next version granted exceeds every one acknowledged or read", checkFencing},
		{"release", "5. no acknowledged release comes back", checkRelease},
		{"holes", "6. what is recovered is a prefix of each writer's commits", checkHoles},
		{"idempotence", "7. a second recovery finds what the first one left, also when the first was cut short", checkIdempotence},
		{"liveness", "8. the store opens and takes writes in time", checkLiveness},
		{"damage", "9. damage gives the right data or ErrCorrupt", checkDamage},
		{"failed sync", "10. after a failed sync nothing is acknowledged until the store is reopened", checkStopped},
	}
}

// Judge applies every invariant.
func Judge(e *Evidence) Judgement {
	c := compare(e)
	j := Judgement{Acked: e.Model.Acked(e.At)}
	for _, inv := range Invariants() {
		for _, v := range inv.check(c) {
			v.Invariant = inv.Name
			j.Violations = append(j.Violations, v)
		}
	}
	if c.opened() {
		j.Lost, j.LostAge = c.lost()
	} else {
		j.Lost = j.Acked
	}
	return j
}
