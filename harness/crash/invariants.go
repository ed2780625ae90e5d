package crash

import (
	"fmt"
	"slices"

	"orbitbench/engines"
)

// few is how many violations of one invariant are told one by one.
const few = 3

// listing collects violations of one sort, the first few in words.
type listing []Violation

func (l *listing) add(pattern, format string, args ...any) {
	if len(*l) < few {
		*l = append(*l, Violation{Pattern: pattern, Detail: fmt.Sprintf(format, args...)})
	}
}

// sorted visits the keys in a fixed order, so that the same evidence gives the same words.
func (c *comparison) sorted(visit func(f *found)) {
	if !c.opened() {
		return
	}
	for _, k := range c.Model.order {
		visit(c.keys[k.id])
	}
}

func (id recordID) String() string { return fmt.Sprintf("%s %q", id.ks, id.key) }

func (s *keyState) String() string {
	switch {
	case s.step == 0 && !s.present:
		return "absent"
	case s.step == 0:
		return fmt.Sprintf("as it was before (version %d)", s.version)
	case !s.present:
		return fmt.Sprintf("deleted by step %d", s.step)
	case s.version == 0:
		return fmt.Sprintf("step %d", s.step)
	}
	return fmt.Sprintf("step %d (version %d)", s.step, s.version)
}

// wholeStore begins the patterns of what a fresh store in place of the old one breaks.
const wholeStore = "whole store lost"

// checkDurability leaves releases to checkRelease.
func checkDurability(c *comparison) []Violation {
	pattern := lostCommits
	if c.opened() && len(c.Found.Records) == 0 {
		pattern = wholeStore
	}
	var l listing
	c.sorted(func(f *found) {
		least, best := c.least(f.keyModel), f.best()
		if best < 0 || best >= least || c.released(f, least) {
			return
		}
		l.add(pattern, "%s came back as %s, acknowledged was %s", f.id, &f.states[best], &f.states[least])
	})
	return l
}

// released reports whether what came back is a lease whose release was acknowledged.
func (c *comparison) released(f *found, least int) bool {
	return f.id.ks == engines.Leases && f.record != nil && !f.states[least].present
}

func checkRelease(c *comparison) []Violation {
	var l listing
	c.sorted(func(f *found) {
		if least, best := c.least(f.keyModel), f.best(); best >= 0 && best < least && c.released(f, least) {
			l.add("released lease came back", "%s came back as %s after it had been released by step %d", f.id, &f.states[best], f.states[least].step)
		}
	})
	return l
}

func checkPhantom(c *comparison) []Violation {
	var l listing
	for _, r := range c.strangers {
		l.add("a key that was never written", "%s at version %d was never written", r.id(), r.Version)
	}
	c.sorted(func(f *found) {
		if f.record == nil {
			if len(f.match) == 0 { // only a key of an earlier history is never absent
				l.add("a record of an earlier session lost", "%s is absent, and was there before", f.id)
			}
			return
		}
		if len(f.match) == 0 {
			for i := range f.states {
				if s := &f.states[i]; s.looksLike(f.record) {
					l.add("a value from after the crash", "%s holds %s, which had not begun", f.id, s)
					return
				}
			}
			l.add(neverWritten, "%s at version %d holds bytes that were never written", f.id, f.record.Version)
			return
		}
		if s := &f.states[f.best()]; s.version != 0 && f.record.Version != s.version {
			l.add(neverGranted, "%s holds %s under version %d", f.id, s, f.record.Version)
		}
	})
	return l
}

func checkAtomicity(c *comparison) []Violation {
	var l listing
	for w := range c.Model.writers {
		for i := range c.Model.writers[w].steps {
			s := &c.Model.writers[w].steps[i]
			if s.issued >= c.At || s.open || len(s.keys) < 2 || !c.opened() {
				continue
			}
			var done, undone *found
			for _, k := range s.keys {
				switch f := c.keys[k.id]; c.happened(f, s.n) {
				case yes:
					done = f
				case no:
					undone = f
				}
			}
			if done != nil && undone != nil {
				l.add("half a batch", "writer %d, step %d: %s is there and %s is not", w, s.n, done.id, undone.id)
			}
		}
	}
	c.sorted(func(f *found) {
		if f.record == nil || len(f.match) == 0 {
			return
		}
		for i := range f.states {
			if s := &f.states[i]; i != f.best() && s.version != 0 && s.version == f.record.Version && s.acked < c.At {
				l.add("a version with two owners", "%s holds %s under the version of %s", f.id, &f.states[f.best()], s)
			}
		}
	})
	return l
}

type answer int

const (
	unknown answer = iota
	yes
	no
)

// happened says whether a key came back as after step n, or as before it.
func (c *comparison) happened(f *found, n int) answer {
	var after, before bool
	for _, i := range f.match {
		lo, hi := f.span(i, c.At)
		after, before = after || hi >= n, before || lo < n
	}
	switch {
	case after == before:
		return unknown
	case after:
		return yes
	}
	return no
}

// checkHoles demands that one step of each writer explains all its keys. Weaker
// classes than those that keep everything are judged key by key.
func checkHoles(c *comparison) []Violation {
	if c.Rules.Promise != All || !c.opened() {
		return nil
	}
	var l listing
	for w := range c.Model.writers {
		// A step that explains all is the first one of some state that came back.
		bounds := []int{0}
		var mine []*found
		c.sorted(func(f *found) {
			if f.writer == w && len(f.match) > 0 {
				mine = append(mine, f)
				for _, i := range f.match {
					bounds = append(bounds, f.states[i].step)
				}
			}
		})
		if !slices.ContainsFunc(bounds, func(n int) bool { return c.explains(mine, n) }) {
			newest := slices.Max(bounds)
			for _, f := range mine {
				if !c.inState(f, newest) {
					l.add("a commit is there and an earlier one is not", "writer %d: step %d is there, but %s is as before it: %s", w, newest, f.id, &f.states[f.best()])
					break
				}
			}
		}
	}
	return l
}

func (c *comparison) explains(mine []*found, n int) bool {
	for _, f := range mine {
		if !c.inState(f, n) {
			return false
		}
	}
	return true
}

// inState reports whether the key can have come back as it was after step n.
func (c *comparison) inState(f *found, n int) bool {
	for _, i := range f.match {
		if lo, hi := f.span(i, c.At); lo <= n && n <= hi || f.states[i].open {
			return true
		}
	}
	return false
}

func checkFencing(c *comparison) []Violation {
	if c.Rules.Promise == Nothing {
		return nil
	}
	again := grantedAgain
	if len(c.Found.Records) == 0 {
		again = wholeStore + ", and " + again // it follows from the other
	}
	var l listing
	for i := range c.Found.Probes {
		p := &c.Found.Probes[i]
		k := c.Model.keys[p.id()]
		if k == nil {
			continue
		}
		top := k.top
		for j := range k.states {
			if s := &k.states[j]; s.acked != 0 && s.acked < c.At {
				top = max(top, s.version)
			}
		}
		if c.Rules.ReadsCount {
			for _, r := range k.reads {
				if r.at < c.At {
					top = max(top, r.version)
				}
			}
		}
		if p.Version <= top {
			l.add(again, "%s was granted version %d after the crash, and %d had been granted before", p.id(), p.Version, top)
		}
	}
	return l
}

func checkIdempotence(c *comparison) []Violation {
	if !c.opened() {
		return nil
	}
	l := c.recoveredAgain()
	if !c.Found.Reopened {
		return l
	}
	want := map[recordID]*Record{}
	for i := range c.Found.Records {
		want[c.Found.Records[i].id()] = &c.Found.Records[i]
	}
	for i := range c.Found.Probes {
		want[c.Found.Probes[i].id()] = &c.Found.Probes[i]
	}
	for i := range c.Found.Again {
		r := &c.Found.Again[i]
		switch w := want[r.id()]; {
		case w == nil:
			l.add("a record appeared", "%s appeared over a clean close and a second opening", r.id())
		case w.Digest != r.Digest || w.Version != r.Version:
			l.add("a record changed", "%s changed over a clean close and a second opening: version %d, was %d", r.id(), r.Version, w.Version)
		}
		delete(want, r.id())
	}
	for id := range want {
		l.add("a record vanished", "%s vanished over a clean close and a second opening (%d records did)", id, len(want))
		break
	}
	return l
}

// Patterns of recoveredAgain that findings about other engines are told by.
const (
	vanishedInCut = "a record vanished in a recovery that was cut"
	changedInCut  = "a record changed in a recovery that was cut"
)

// recoveredAgain compares what came back with what a recovery had found that was cut short.
func (c *comparison) recoveredAgain() listing {
	var l listing
	if c.Before == nil {
		return l
	}
	now := make(map[recordID]*Record, len(c.Found.Records))
	for i := range c.Found.Records {
		now[c.Found.Records[i].id()] = &c.Found.Records[i]
	}
	for i := range c.Before {
		was := &c.Before[i]
		switch is := now[was.id()]; {
		case is == nil:
			l.add(vanishedInCut, "%s at version %d was there before the recovery was cut short, and is not now", was.id(), was.Version)
		case is.Version != was.Version || is.Digest != was.Digest:
			l.add(changedInCut, "%s is at version %d, and was at %d before the recovery was cut short", was.id(), is.Version, was.Version)
		}
		delete(now, was.id())
	}
	for id, is := range now {
		l.add("a record appeared in a recovery that was cut", "%s at version %d was not there before the recovery was cut short (%d records were not)", id, is.Version, len(now))
		break
	}
	return l
}

func checkLiveness(c *comparison) []Violation {
	var l listing
	f := &c.Found
	switch {
	case f.Outcome == OutcomeRefused && c.Damaged:
		return nil // checkDamage
	case f.Outcome != OutcomeOK:
		l.add(f.Outcome+": "+pattern(f.Error), "%s: %s", f.Outcome, f.Error)
	case f.ProbeError != "":
		l.add("opens, but fails: "+pattern(f.ProbeError), "%s", f.ProbeError)
	}
	return l
}

func checkDamage(c *comparison) []Violation {
	var l listing
	if c.Damaged && c.Found.Outcome == OutcomeRefused && !c.Found.Corrupt {
		l.add("damage gave another error than ErrCorrupt: "+pattern(c.Found.Error), "%s", c.Found.Error)
	}
	if c.Found.SelfCheck != "" && !c.Damaged {
		l.add("its own verify: "+pattern(c.Found.SelfCheck), "the engine's own verify of the recovered store: %s", c.Found.SelfCheck)
	}
	return l
}

func checkStopped(c *comparison) []Violation {
	if c.StoppedAt == 0 {
		return nil
	}
	var l listing
	for w := range c.Model.writers {
		for i := range c.Model.writers[w].steps {
			if s := &c.Model.writers[w].steps[i]; s.acked != 0 && s.issued > c.StoppedAt {
				l.add("acknowledged after a failed sync", "writer %d: step %d began after a sync had failed, and was acknowledged", w, s.n)
			}
		}
	}
	return l
}

// pattern strips from an error what differs from one crash to the next.
func pattern(text string) string {
	out := make([]rune, 0, 80)
	for word := range wordsOf(text) {
		if len(out)+len(word) > 80 {
			break
		}
		if len(out) > 0 {
			out = append(out, ' ')
		}
		out = append(out, []rune(word)...)
	}
	return string(out)
}
