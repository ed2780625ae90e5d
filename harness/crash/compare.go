package crash

import (
	"math"
	"time"
)

// comparison is the evidence, key by key.
type comparison struct {
	*Evidence
	nanos int64 // the harness' clock at the crash
	clock int64 // the same without what nobody could use; see clockOf
	keys  map[recordID]*found
	// strangers are records under keys that no writer ever had.
	strangers []*Record
}

// found is what came back of one key.
type found struct {
	*keyModel
	record *Record // nil: absent
	// states of the key that look like what came back: at most one if it is there,
	// any number if it is absent; indexes into keyModel.states.
	match []int
}

func compare(e *Evidence) *comparison {
	c := &comparison{Evidence: e, nanos: e.Model.timeAt(e.At), clock: e.Model.clockAt(e.At), keys: make(map[recordID]*found, len(e.Model.keys))}
	if !c.opened() {
		return c
	}
	records := make(map[recordID]*Record, len(e.Found.Records))
	for i := range e.Found.Records {
		r := &e.Found.Records[i]
		records[r.id()] = r
		if e.Model.keys[r.id()] == nil {
			c.strangers = append(c.strangers, r)
		}
	}
	for id, k := range e.Model.keys {
		f := &found{keyModel: k, record: records[id]}
		for i := range k.states {
			if s := &k.states[i]; s.before(e.At) && s.looksLike(f.record) {
				f.match = append(f.match, i)
			}
		}
		c.keys[id] = f
	}
	return c
}

func (c *comparison) opened() bool { return c.Found.Outcome == OutcomeOK }

// before reports whether the step of the state had begun.
func (s *keyState) before(at uint64) bool { return s.step == 0 || s.issued < at }

func (s *keyState) looksLike(r *Record) bool {
	if r == nil || !s.present {
		return r == nil && !s.present
	}
	return s.digest == r.Digest
}

// best is the newest state that looks like what came back, -1 if there is none.
func (f *found) best() int {
	if len(f.match) == 0 {
		return -1
	}
	return f.match[len(f.match)-1]
}

// must reports whether a state, or a newer one, has to be there.
func (c *comparison) must(s *keyState) bool {
	if s.acked == 0 || s.acked >= c.At {
		return false
	}
	switch c.Rules.Promise {
	case All:
		return true
	case Window:
		return c.Model.clockAt(s.acked+1) <= c.clock-int64(c.Rules.allowance())
	}
	return false
}

// least is the oldest state that may come back.
func (c *comparison) least(k *keyModel) int {
	least := 0
	for i := range k.states {
		if s := &k.states[i]; c.must(s) || c.Rules.ReadsCount && k.wasRead(s.version, c.At) {
			least = i
		}
	}
	return least
}

func (k *keyModel) wasRead(version, before uint64) bool {
	if version == 0 {
		return false
	}
	for _, r := range k.reads {
		if r.version == version && r.at < before {
			return true
		}
	}
	return false
}

// span gives the steps of its writer after which the key is in a state: from
// lo to hi, both included. A step that was refused ends no state.
func (k *keyModel) span(i int, at uint64) (lo, hi int) {
	lo, hi = k.states[i].step, math.MaxInt
	for j := i + 1; j < len(k.states); j++ {
		if s := &k.states[j]; s.before(at) && !s.open {
			return lo, s.step - 1
		}
	}
	return lo, hi
}

// lost counts acknowledged commits of which something is no longer there.
func (c *comparison) lost() (n int, age time.Duration) {
	for w := range c.Model.writers {
		for i := range c.Model.writers[w].steps {
			s := &c.Model.writers[w].steps[i]
			if s.acked == 0 || s.acked >= c.At || !c.missing(s) {
				continue
			}
			n++
			age = max(age, time.Duration(c.nanos-s.ackTime))
		}
	}
	return n, age
}

// missing reports whether some key came back older than the step left it.
func (c *comparison) missing(s *stepModel) bool {
	number := s.n
	if s.probe {
		number += probeSteps
	}
	for _, k := range s.keys {
		f := c.keys[k.id]
		if b := f.best(); b >= 0 && k.states[b].step < number {
			return true
		}
	}
	return false
}
