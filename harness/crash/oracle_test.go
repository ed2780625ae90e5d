package crash

import (
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"orbitbench/engines"
)

// world is a store in memory beside the history that filled it.
type world struct {
	history *History
	now     uint64
	version uint64
	records map[recordID]Record
	before  []map[recordID]Record // the store before each acknowledged step, by its place
	steps   []step
	scripts []*script
}

// newWorld commits n steps, the writers in turn.
func newWorld(t *testing.T, writers, n int) *world {
	w := &world{history: &History{Load: Load{Seed: 7, Writers: writers, Steps: n, Sessions: 1}}, records: map[recordID]Record{}}
	require.NoError(t, w.history.Load.Validate())
	for i := range writers {
		w.scripts = append(w.scripts, newScript(&w.history.Load, i))
	}
	for i := range n {
		w.issue(i % writers)
		w.acknowledge(i % writers)
	}
	return w
}

func (w *world) event(e Event) {
	w.now++
	e.At, e.Nanos = w.now, int64(w.now)*int64(time.Millisecond)
	w.history.Events = append(w.history.Events, e)
}

func (w *world) issue(writer int) {
	st := w.scripts[writer].next()
	w.steps, w.before = append(w.steps, st), append(w.before, maps.Clone(w.records))
	w.event(Event{Kind: Issued, Writer: writer, Step: st.n})
}

// acknowledge commits the step that was issued last.
func (w *world) acknowledge(writer int) {
	st := w.steps[len(w.steps)-1]
	var versions []uint64
	for i := range st.ops {
		o := &st.ops[i]
		id := recordID{o.ks, string(o.key)}
		if o.kind == engines.OpDelete {
			delete(w.records, id)
			versions = append(versions, 0)
			continue
		}
		w.version++
		versions = append(versions, w.version)
		w.records[id] = Record{Keyspace: o.ks, Key: o.key, Version: w.version, Digest: digestOf(o.value)}
	}
	w.event(Event{Kind: Acked, Writer: writer, Step: st.n, Versions: versions})
}

func dumpOf(records map[recordID]Record) []Record {
	return slices.SortedFunc(maps.Values(records), compareRecords)
}

// evidence is a crash after everything, and a perfect recovery.
func (w *world) evidence(t *testing.T) *Evidence {
	m, err := NewModel(w.history)
	require.NoError(t, err)
	e := &Evidence{Model: m, At: End, Rules: Rules{Promise: All, ReadsCount: true}, Found: Verified{Outcome: OutcomeOK, Records: dumpOf(w.records), Reopened: true}}
	after := maps.Clone(w.records)
	for _, b := range m.Probes(8) {
		w.version++
		r := Record{Keyspace: b.Keyspace, Key: b.Key, Version: w.version, Digest: digestOf([]byte(probeValue))}
		e.Found.Probes = append(e.Found.Probes, r)
		after[r.id()] = r
	}
	e.Found.Again = dumpOf(after)
	return e
}

// recover makes what came back be records, and the second dump agree with it.
func (e *Evidence) recover(records map[recordID]Record) {
	e.Found.Records = dumpOf(records)
	after := map[recordID]Record{}
	maps.Copy(after, records)
	for _, p := range e.Found.Probes {
		after[p.id()] = p
	}
	e.Found.Again = dumpOf(after)
}

// find is the place of the last step that is as wanted.
func (w *world) find(t *testing.T, wanted func(st *step) bool) int {
	for i := len(w.steps) - 1; i >= 0; i-- {
		if wanted(&w.steps[i]) {
			return i
		}
	}
	t.Fatal("the script has no such step")
	return 0
}

func broken(j Judgement) (names []string) {
	for _, v := range j.Violations {
		if !slices.Contains(names, v.Invariant) {
			names = append(names, v.Invariant)
		}
	}
	return names
}

func (w *world) idOf(o *op) recordID { return recordID{o.ks, string(o.key)} }

func TestTheRightHistoryBreaksNothing(t *testing.T) {
	w := newWorld(t, 4, 200)
	j := Judge(w.evidence(t))
	require.Empty(t, j.Violations)
	require.Equal(t, 200, j.Acked)
	require.Zero(t, j.Lost)
}

// A commit in flight at the crash may be there or not, as a whole.
func TestACommitInFlightIsOpen(t *testing.T) {
	w := newWorld(t, 4, 200)
	last := func() *step { return &w.steps[len(w.steps)-1] }
	for w.issue(0); len(last().ops) < 2 || last().ops[0].kind != engines.OpPut; w.issue(0) {
		w.acknowledge(0)
	}
	e := w.evidence(t)
	require.Empty(t, Judge(e).Violations, "it is not there")
	with := maps.Clone(w.records)
	for i := range last().ops {
		o := &last().ops[i]
		delete(with, w.idOf(o))
		if o.kind != engines.OpDelete {
			w.version++
			with[w.idOf(o)] = Record{Keyspace: o.ks, Key: o.key, Version: w.version, Digest: digestOf(o.value)}
		}
	}
	e = w.evidence(t) // its probes are granted versions above
	e.recover(with)
	require.Empty(t, Judge(e).Violations, "it is there")
	half := maps.Clone(with)
	o := &last().ops[0]
	if old, ok := w.records[w.idOf(o)]; ok {
		half[w.idOf(o)] = old
	} else {
		delete(half, w.idOf(o))
	}
	e.recover(half)
	require.Contains(t, broken(Judge(e)), "atomicity", "half of it is there")
}

// Each row breaks one invariant, which must see it.
func TestEveryInvariantCatches(t *testing.T) {
	for _, c := range []struct {
		name, invariant, pattern string
		hurt                     func(t *testing.T, w *world) *Evidence
	}{
		{"the last commit lost", "durability", "acknowledged commits lost", func(t *testing.T, w *world) *Evidence {
			e := w.evidence(t)
			at := w.find(t, func(st *step) bool { return st.ops[0].ks != engines.Leases })
			e.recover(w.before[at])
			return e
		}},
		{"a fresh store in place of the old", "durability", "whole store lost", func(t *testing.T, w *world) *Evidence {
			e := w.evidence(t)
			e.recover(nil)
			return e
		}},
		{"what a reader was shown is lost", "durability", "acknowledged commits lost", func(t *testing.T, w *world) *Evidence {
			at := w.find(t, func(st *step) bool { return st.ops[0].kind == engines.OpRenew })
			o := &w.steps[at].ops[0]
			old := w.before[at][w.idOf(o)]
			// The reader saw the renewal, and the crash came before its acknowledgement.
			for i := range w.history.Events {
				if a := &w.history.Events[i]; a.Kind == Acked && slices.Contains(a.Versions, w.records[w.idOf(o)].Version) {
					w.history.Events = slices.Insert(w.history.Events, i, Event{Kind: Read, At: a.At, Keyspace: o.ks, Key: o.key, Versions: []uint64{w.records[w.idOf(o)].Version}})
					a.At++
					break
				}
			}
			e := w.evidence(t)
			for _, ev := range w.history.Events {
				if ev.Kind == Read {
					e.At = ev.At + 1
				}
			}
			e.recover(map[recordID]Record{w.idOf(o): old})
			return e
		}},
		{"a stranger", "phantom", "a key that was never written", func(t *testing.T, w *world) *Evidence {
			e := w.evidence(t)
			with := maps.Clone(w.records)
			r := Record{Keyspace: engines.Nodes, Key: []byte("nobody"), Version: 3}
			with[r.id()] = r
			e.recover(with)
			return e
		}},
		{"a garbled value", "phantom", "a value that was never written", func(t *testing.T, w *world) *Evidence {
			return w.changed(t, func(r *Record) { r.Digest[3] ^= 1 })
		}},
		{"a version of its own", "phantom", "a version that was never granted", func(t *testing.T, w *world) *Evidence {
			return w.changed(t, func(r *Record) { r.Version += 100_000 })
		}},
		{"half a batch", "atomicity", "half a batch", func(t *testing.T, w *world) *Evidence {
			e := w.evidence(t)
			at := w.find(t, func(st *step) bool {
				return len(st.ops) > 1 && st.ops[0].ks == engines.Snapshots && st.ops[0].kind == engines.OpPut
			})
			with := maps.Clone(w.records)
			id := w.idOf(&w.steps[at].ops[0])
			delete(with, id)
			if old, ok := w.before[at][id]; ok {
				with[id] = old
			}
			e.recover(with)
			return e
		}},
		{"a version with two owners", "atomicity", "a version with two owners", func(t *testing.T, w *world) *Evidence {
			e := w.evidence(t)
			at := w.find(t, func(st *step) bool { return st.ops[0].kind == engines.OpRenew })
			id := w.idOf(&w.steps[at].ops[0])
			with := maps.Clone(w.records)
			r := with[id]
			r.Version = w.before[at][id].Version
			with[id] = r
			e.recover(with)
			return e
		}},
		{"a version granted again", "fencing", "a version was granted again", func(t *testing.T, w *world) *Evidence {
			e := w.evidence(t)
			for i := range e.Found.Probes {
				if r, ok := w.records[e.Found.Probes[i].id()]; ok {
					e.Found.Probes[i].Version = r.Version
					break
				}
			}
			e.recover(w.records)
			return e
		}},
		{"a release that comes back", "release", "released lease came back", func(t *testing.T, _ *world) *Evidence {
			w := newWorld(t, 4, 400)
			e := w.evidence(t)
			at := w.find(t, func(st *step) bool {
				_, again := w.records[w.idOf(&st.ops[0])]
				return st.ops[0].ks == engines.Leases && st.ops[0].kind == engines.OpDelete && !again
			})
			id := w.idOf(&w.steps[at].ops[0])
			with := maps.Clone(w.records)
			with[id] = w.before[at][id]
			e.recover(with)
			return e
		}},
		{"an earlier commit missing", "holes", "a commit is there and an earlier one is not", func(t *testing.T, w *world) *Evidence {
			e := w.evidence(t)
			at := w.find(t, func(st *step) bool { return st.ops[0].kind == engines.OpRenew && st.n < 45 })
			id := w.idOf(&w.steps[at].ops[0])
			with := maps.Clone(w.records)
			with[id] = w.before[at][id]
			e.recover(with)
			return e
		}},
		{"a second recovery finds more", "idempotence", "a record appeared", func(t *testing.T, w *world) *Evidence {
			e := w.evidence(t)
			e.Found.Again = append(e.Found.Again, Record{Keyspace: engines.Nodes, Key: []byte("late")})
			return e
		}},
		{"a second recovery finds less", "idempotence", "a record vanished", func(t *testing.T, w *world) *Evidence {
			e := w.evidence(t)
			e.Found.Again = e.Found.Again[1:]
			return e
		}},
		{"a recovery was cut, the next finds less", "idempotence", "a record vanished in a recovery that was cut", func(t *testing.T, w *world) *Evidence {
			e := w.evidence(t)
			e.Before = append(slices.Clone(e.Found.Records), Record{Keyspace: engines.Nodes, Key: []byte("gone"), Version: 2})
			return e
		}},
		{"a recovery was cut, the next finds more", "idempotence", "a record appeared in a recovery that was cut", func(t *testing.T, w *world) *Evidence {
			e := w.evidence(t)
			e.Before = e.Found.Records[1:]
			return e
		}},
		{"a recovery was cut, the next finds another value", "idempotence", "a record changed in a recovery that was cut", func(t *testing.T, w *world) *Evidence {
			e := w.evidence(t)
			e.Before = slices.Clone(e.Found.Records)
			e.Before[0].Digest[0] ^= 1
			return e
		}},
		{"it would not open", "liveness", "would not open: open: file MANIFEST-# is gone", func(t *testing.T, w *world) *Evidence {
			e := w.evidence(t)
			e.Found = Verified{Outcome: OutcomeRefused, Error: "open: file /a/b/MANIFEST-000012 is gone"}
			return e
		}},
		{"it takes no writes", "liveness", "opens, but fails: write: read only", func(t *testing.T, w *world) *Evidence {
			e := w.evidence(t)
			e.Found.ProbeError, e.Found.Again = "write: read only", nil
			return e
		}},
		{"damage gives any error", "damage", "damage gave another error than ErrCorrupt: open: EOF", func(t *testing.T, w *world) *Evidence {
			e := w.evidence(t)
			e.Damaged, e.Found = true, Verified{Outcome: OutcomeRefused, Error: "open: EOF"}
			return e
		}},
		{"acknowledged after a failed sync", "failed sync", "acknowledged after a failed sync", func(t *testing.T, w *world) *Evidence {
			e := w.evidence(t)
			e.StoppedAt = 20
			return e
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, 2, 100)
			j := Judge(c.hurt(t, w))
			require.Contains(t, broken(j), c.invariant)
			require.True(t, slices.ContainsFunc(j.Violations, func(v Violation) bool { return v.Invariant == c.invariant && v.Pattern == c.pattern }), "%v", j.Violations)
		})
	}
}

// changed is a recovery in which one record is as it never was.
func (w *world) changed(t *testing.T, how func(r *Record)) *Evidence {
	e := w.evidence(t)
	with := maps.Clone(w.records)
	first := dumpOf(with)[0]
	how(&first)
	with[first.id()] = first
	e.recover(with)
	return e
}

// Damage that is told as damage is right, and so is losing what the class may lose.
func TestWhatIsAllowed(t *testing.T) {
	w := newWorld(t, 2, 100)
	e := w.evidence(t)
	e.Damaged, e.Found = true, Verified{Outcome: OutcomeRefused, Corrupt: true, Error: "open: corrupt"}
	require.Empty(t, Judge(e).Violations)

	e = w.evidence(t)
	e.Rules = Rules{Promise: Window, Window: 10 * time.Millisecond}
	e.recover(w.before[len(w.before)-20]) // 40 ms by the clock of the test
	j := Judge(e)
	require.Empty(t, j.Violations)
	require.Equal(t, 20, j.Lost)
	require.Equal(t, 38*time.Millisecond, j.LostAge)
	e.recover(w.before[len(w.before)-60])
	require.Contains(t, broken(Judge(e)), "durability", "120 ms are more than the window allows")

	w.now += 1000 // the machine lets nobody run for a second
	for range 3 { // and then it lets writers run before the engine's own clock
		w.issue(0)
		w.acknowledge(0)
	}
	e = w.evidence(t)
	e.Rules = Rules{Promise: Window, Window: 10 * time.Millisecond}
	e.recover(w.before[len(w.before)-15])
	j = Judge(e)
	require.Empty(t, j.Violations)
	require.Greater(t, j.LostAge, time.Second, "how old it was is told all the same")
	e.recover(w.before[len(w.before)-40])
	require.Contains(t, broken(Judge(e)), "durability", "what was late before that second still is")

	e.Rules = Rules{Promise: Nothing}
	e.recover(nil)
	require.Empty(t, Judge(e).Violations)
}

// The crash lies where its stamp is: what came after does not count.
func TestOnlyWhatWasBeforeTheCrashCounts(t *testing.T) {
	w := newWorld(t, 2, 100)
	e := w.evidence(t)
	for i, ev := range w.history.Events {
		if ev.Kind != Issued || i < 100 {
			continue
		}
		e.At = ev.At // the step had not begun
		e.recover(w.before[i/2])
		j := Judge(e)
		require.Empty(t, j.Violations)
		require.Equal(t, i/2, j.Acked)
		break
	}
	e.recover(w.records)
	require.Contains(t, broken(Judge(e)), "phantom", "values from after the crash")
}

func TestARefusedCommitMayBeThere(t *testing.T) {
	w := newWorld(t, 1, 50)
	w.issue(0)
	w.event(Event{Kind: Refused, Step: w.steps[50].n, Error: "input/output error"})
	w.event(Event{Kind: Issued, Step: 1, Probe: true})
	w.event(Event{Kind: Refused, Step: 1, Probe: true, Error: "failed"})
	e := w.evidence(t)
	require.Empty(t, Judge(e).Violations)
	with := maps.Clone(w.records)
	for i := range w.steps[50].ops {
		o := &w.steps[50].ops[i]
		delete(with, w.idOf(o))
		if o.kind != engines.OpDelete {
			w.version++
			with[w.idOf(o)] = Record{Keyspace: o.ks, Key: o.key, Version: w.version, Digest: digestOf(o.value)}
		}
	}
	e = w.evidence(t)
	e.recover(with)
	require.Empty(t, Judge(e).Violations)
}
