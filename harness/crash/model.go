package crash

import (
	"cmp"
	"fmt"
	"slices"
	"sort"
	"time"

	"orbitbench/engines"
)

// Model is what a history says about every key: the states that it had, in order.
type Model struct {
	History *History
	clock   []int64 // at each event; see clockOf
	keys    map[recordID]*keyModel
	order   []*keyModel // all of keys, in order of keyspace and key
	writers []writerModel
}

// keyModel is the life of a key, its first state being that before the history.
type keyModel struct {
	id     recordID
	writer int // -1: of an earlier history
	top    uint64
	states []keyState
	reads  []keyRead
}

// keyState is what one step made of a key.
type keyState struct {
	step    int // 0: before the history
	present bool
	digest  Digest
	version uint64 // 0: not known, as the step was not acknowledged
	issued  uint64 // stamp
	acked   uint64 // stamp; 0: never
	open    bool   // the step failed: it may have happened or not, whatever follows
}

type keyRead struct{ version, at uint64 }

// writerModel holds the steps of a writer that were issued, in order.
type writerModel struct{ steps []stepModel }

type stepModel struct {
	n       int
	keys    []*keyModel
	issued  uint64
	acked   uint64
	ackTime int64
	open    bool // refused: it may have happened or not
	probe   bool
}

// NewModel walks the scripts of the writers along the history. An event that no
// worker of this load could have told is an error.
func NewModel(h *History) (*Model, error) {
	m := &Model{History: h, clock: clockOf(h.Events), keys: map[recordID]*keyModel{}, writers: make([]writerModel, h.Load.Writers)}
	for i := range h.Base {
		b := &h.Base[i]
		m.keys[b.id()] = &keyModel{id: b.id(), writer: -1, top: b.Top, states: []keyState{{present: b.Present, digest: b.Digest, version: b.Version}}}
	}
	scripts := make([]*script, h.Load.Writers)
	for i := range scripts {
		scripts[i] = newScript(&h.Load, i)
	}
	for i := range h.Events {
		e := &h.Events[i]
		if e.Writer < 0 || e.Writer >= len(scripts) {
			return nil, fmt.Errorf("event %d: writer %d, of %d", i+1, e.Writer, len(scripts))
		}
		if err := m.take(e, scripts[e.Writer]); err != nil {
			return nil, fmt.Errorf("event %d: %w", i+1, err)
		}
	}
	for _, k := range m.keys {
		m.order = append(m.order, k)
	}
	slices.SortFunc(m.order, func(a, b *keyModel) int {
		return cmp.Or(cmp.Compare(a.id.ks, b.id.ks), cmp.Compare(a.id.key, b.id.key))
	})
	return m, nil
}

func (m *Model) take(e *Event, s *script) error {
	w := &m.writers[e.Writer]
	switch e.Kind {
	case Issued:
		return m.issue(e, s, w)
	case Acked, Refused:
		if len(w.steps) == 0 {
			return fmt.Errorf("step %d ended before it began", e.Step)
		}
		st := &w.steps[len(w.steps)-1]
		if st.n != e.Step || st.probe != e.Probe || st.acked != 0 || st.open {
			return fmt.Errorf("step %d ended, but the one in flight is %d", e.Step, st.n)
		}
		if e.Kind == Refused {
			return m.refuse(e, st)
		}
		if len(e.Versions) != len(st.keys) {
			return fmt.Errorf("%d versions for %d operations", len(e.Versions), len(st.keys))
		}
		st.acked, st.ackTime = e.At, e.Nanos
		for i, k := range st.keys {
			last := &k.states[len(k.states)-1]
			last.version, last.acked = e.Versions[i], e.At
		}
	case Read:
		if k := m.keys[recordID{e.Keyspace, string(e.Key)}]; k != nil && len(e.Versions) == 1 {
			k.reads = append(k.reads, keyRead{e.Versions[0], e.At})
		}
	}
	return nil
}

// issue appends the states that a step makes.
func (m *Model) issue(e *Event, s *script, w *writerModel) error {
	var st step
	if e.Probe {
		st = s.probe(e.Step)
	} else if st = s.next(); st.n != e.Step {
		return fmt.Errorf("writer %d issued step %d after %d", e.Writer, e.Step, st.n-1)
	}
	made := stepModel{n: e.Step, issued: e.At, probe: e.Probe}
	for i := range st.ops {
		o := &st.ops[i]
		id := recordID{o.ks, string(o.key)}
		k := m.keys[id]
		if k == nil {
			k = &keyModel{id: id, writer: e.Writer, states: make([]keyState, 1)}
			m.keys[id] = k
		}
		state := keyState{step: e.Step, present: o.kind != engines.OpDelete, issued: e.At}
		if e.Probe {
			state.step += probeSteps
		}
		if state.present {
			state.digest = digestOf(o.value)
		}
		k.states = append(k.states, state)
		made.keys = append(made.keys, k)
	}
	w.steps = append(w.steps, made)
	return nil
}

// probeSteps sets the numbers of probes apart from those of the script.
const probeSteps = 1 << 24

// refuse leaves open whether the step happened, unless the engine said that it did not.
func (m *Model) refuse(e *Event, st *stepModel) error {
	st.open = true
	for _, k := range st.keys {
		n := len(k.states) - 1
		if e.Full {
			k.states = slices.Delete(k.states, n, n+1)
		} else {
			k.states[n].open = true
		}
	}
	return nil
}

// Acked counts the steps that were acknowledged before a stamp.
func (m *Model) Acked(before uint64) (n int) {
	for i := range m.writers {
		for j := range m.writers[i].steps {
			if s := &m.writers[i].steps[j]; s.acked != 0 && s.acked < before {
				n++
			}
		}
	}
	return n
}

// told counts what was issued and acknowledged before a stamp: two crashes with the
// same count and the same bytes on disk are one.
func (m *Model) told(before uint64) int {
	events := m.History.Events
	return sort.Search(len(events), func(i int) bool { return events[i].At >= before })
}

// silence is the most that counts between two events. Longer ones are of a machine that let
// nobody run: a worker tells of something every few milliseconds, or is held by an
// engine that acknowledges nothing meanwhile.
const silence = 20 * time.Millisecond

// clockOf is the harness' clock at each event, less what was silence for too long.
func clockOf(events []Event) []int64 {
	clock := make([]int64, len(events))
	for i := 1; i < len(events); i++ {
		clock[i] = clock[i-1] + min(events[i].Nanos-events[i-1].Nanos, int64(silence))
	}
	return clock
}

// clockAt is that clock at a stamp: that of the last event before it.
func (m *Model) clockAt(at uint64) (nanos int64) {
	if n := m.told(at); n > 0 {
		return m.clock[n-1]
	}
	return 0
}

// timeAt is the harness' clock at a stamp: that of the last event before it.
func (m *Model) timeAt(at uint64) (nanos int64) {
	if n := m.told(at); n > 0 {
		return m.History.Events[n-1].Nanos
	}
	return 0
}
