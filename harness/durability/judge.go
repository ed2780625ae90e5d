package durability

import (
	"math"
	"time"

	"orbitbench/engines"
	"orbitbench/harness/result"
)

// fileID names a file whatever its path and descriptors are.
type fileID struct{ device, inode uint64 }

// target is what a sync covers: everything, or the bytes [from, to) of a file.
type target struct {
	all      bool
	file     fileID
	from, to int64
}

func wholeFile(f fileID) target { return target{file: f, to: math.MaxInt64} }

func (t target) covers(f fileID, from, to int64) bool {
	return t.all || t.file == f && t.from <= from && to <= t.to
}

// judge follows commits from their issue to their acknowledgement. Its methods
// are called in the order in which a tracer sees the beginnings and ends of
// calls; it knows no process and no file, so that tests can tell it any story.
//
// A thread that has ended a call waits for the tracer before it goes on, and one
// that begins a call waits before the kernel does it. So whatever an engine does
// because a call has returned comes later in this order, too.
type judge struct {
	class   engines.Class
	window  time.Duration
	now     int // number of the latest event
	commits map[int]*commit
	order   []*commit // as issued
	places  []*place  // every write to the store, as they ended
	pending map[fileID][]*place
	phases  []result.DurabilityPhase
	counts  *result.DurabilityPhase // of the phase that runs, or nil
	ended   bool
	rings   int
}

// commit is one commit of the worker.
type commit struct {
	number  int
	kind    byte
	writers int
	issued  int // event number, as all others of this type
	acked   int
	ackedAt time.Duration
	// first is where its bytes were seen first; nil while they were not.
	first     *place
	durable   bool // its bytes were covered by a sync
	durableAt time.Duration
	durableNo int
	// orderKept: when it was acknowledged, some write to the store had followed
	// its issue, and as the class wants was synced.
	orderKept bool
}

// place is a write that has ended, or bytes that were found in the page cache.
type place struct {
	begin, end int
	at         time.Duration // of its end
	file       fileID
	name       string // of the file
	from, to   int64
	commits    []placed
	durable    bool
}

// placed is a commit's marker in a file.
type placed struct {
	commit   *commit
	from, to int64
}

// pendingSync is a sync that has begun.
type pendingSync struct {
	target target
	begin  int
}

func newJudge(d engines.Durability) *judge {
	return &judge{class: d.Class, window: d.Window, commits: map[int]*commit{}, pending: map[fileID][]*place{}}
}

// event numbers what follows.
func (j *judge) event() int {
	j.now++
	return j.now
}

// phase begins a phase, or with 0 writers ends one.
func (j *judge) phase(writers int) {
	j.counts = nil
	if writers > 0 {
		j.phases = append(j.phases, result.DurabilityPhase{Writers: writers, Syncs: map[string]int{}})
		j.counts = &j.phases[len(j.phases)-1]
	}
}

func (j *judge) issue(number int, kind byte) {
	c := &commit{number: number, kind: kind, issued: j.event()}
	if j.counts != nil {
		c.writers = j.counts.Writers
	}
	j.commits[number] = c
	j.order = append(j.order, c)
}

// ack is an acknowledgement at a time since the pass began.
func (j *judge) ack(number int, at time.Duration) {
	c := j.commits[number]
	if c == nil {
		return // a mark without its issue: the worker's order makes it impossible
	}
	c.acked, c.ackedAt = j.event(), at
	for i := len(j.places) - 1; i >= 0 && j.places[i].end > c.issued; i-- {
		p := j.places[i]
		if p.begin > c.issued && (p.durable || j.class != engines.Sync) {
			c.orderKept = true
			break
		}
	}
	if j.counts != nil {
		j.counts.Acks++
	}
}

// end ends the time in which something may still be written or become durable:
// what Close does comes too late to keep a promise.
func (j *judge) end() { j.ended = true }

// beginWrite is the beginning of a call that writes; its result goes to endWrite.
func (j *judge) beginWrite() int { return j.event() }

// endWrite is the end of a call that wrote [from, to) of a file of the store,
// with what was found in it, at offsets of the file. kind is not empty if the
// call was a sync too.
func (j *judge) endWrite(begin int, p place, hits []hit, kind string, at time.Duration) {
	if j.ended {
		return
	}
	if j.counts != nil {
		j.counts.Writes++
		if kind != "" {
			j.counts.Syncs[kind]++
		}
	}
	q := j.put(begin, p, hits, at)
	if kind != "" {
		j.cover(q, target{all: true}, at)
	}
}

// stored is that bytes of a mapped file hold markers now. Without hits it says
// that the file may have been stored to.
func (j *judge) stored(p place, hits []hit, at time.Duration) { j.put(j.event(), p, hits, at) }

func (j *judge) put(begin int, p place, hits []hit, at time.Duration) *place {
	p.begin, p.end, p.at = begin, j.event(), at
	for _, h := range hits {
		c := j.commits[h.commit]
		if c == nil || c.durable {
			continue // pages are written again and again with what they held before
		}
		p.commits = append(p.commits, placed{c, h.at, h.at + h.length})
		if c.first == nil {
			c.first = &p
		}
	}
	j.places = append(j.places, &p)
	j.pending[p.file] = append(j.pending[p.file], &p)
	return &p
}

func (j *judge) beginSync(t target) pendingSync { return pendingSync{t, j.event()} }

// endSync is the end of a sync that was counted under kind. ok is false where it
// failed, or is of a kind that proves nothing.
func (j *judge) endSync(s pendingSync, kind string, ok bool, at time.Duration) {
	if j.counts != nil {
		j.counts.Syncs[kind]++
	}
	j.event()
	if !ok || j.ended {
		return
	}
	for f, waiting := range j.pending {
		if !s.target.all && f != s.target.file {
			continue
		}
		rest := waiting[:0]
		for _, p := range waiting {
			if p.end < s.begin {
				j.cover(p, s.target, at)
			}
			if !p.durable {
				rest = append(rest, p)
			}
		}
		clear(waiting[len(rest):])
		j.pending[f] = rest
	}
}

// cover makes durable what t covers of p.
func (j *judge) cover(p *place, t target, at time.Duration) {
	for _, m := range p.commits {
		if !m.commit.durable && t.covers(p.file, m.from, m.to) {
			m.commit.durable, m.commit.durableAt, m.commit.durableNo = true, at, j.now
		}
	}
	p.durable = p.durable || t.covers(p.file, p.from, p.to)
}

// ring is that the engine has handed work to an io_uring.
func (j *judge) ring() { j.rings++ }

// searching reports whether a commit's bytes have not been seen anywhere yet.
func (j *judge) searching() bool {
	for i := len(j.order) - 1; i >= max(0, len(j.order)-recent); i-- {
		if j.order[i].first == nil {
			return true
		}
	}
	return false
}

// recent is how many of the latest commits are looked for in mapped files.
const recent = 256

// unseen reports whether the bytes of a commit have not been seen yet.
func (j *judge) unseen(number int) bool {
	c := j.commits[number]
	return c != nil && c.first == nil
}
