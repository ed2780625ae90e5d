package crash

import (
	"errors"
	"fmt"
	"hash/fnv"
	"math"
	"math/rand/v2"
	"time"

	"orbitbench/engines"
	"orbitbench/engines/lease"
)

// Load says what a worker does. Everything follows from it, step by step: the
// worker and the oracle walk the same script.
type Load struct {
	Seed    uint64 `json:"seed"`
	Writers int    `json:"writers"` // 1 to 64; each has keys of its own
	Readers int    `json:"readers"` // they read the writers' keys and say what they were shown
	Steps   int    `json:"steps"`   // commits of each writer, over all sessions
	// Sessions above 1: the engine is closed cleanly and opened again in between.
	Sessions int `json:"sessions"`
	// CheckpointEvery is how many steps of the first writer lie between forced
	// checkpoints; 0 forces none.
	CheckpointEvery int `json:"checkpoint_every"`
	// Pause is what a writer waits after each step, in nanoseconds: class interval
	// needs time to pass.
	Pause time.Duration `json:"pause_ns,omitempty"`
	// Epoch sets the keys of one history apart from those of the next over the same store.
	Epoch int `json:"epoch,omitempty"`
	// ProbesAfterFailure is how many commits a writer tries after one has failed.
	ProbesAfterFailure int `json:"probes_after_failure,omitempty"`
	// CloseAtEnd closes the engine when the load is over; else the worker waits for its end.
	CloseAtEnd bool `json:"close_at_end,omitempty"`
}

// Validate refuses a load that no worker could carry out.
func (l *Load) Validate() error {
	switch {
	case l.Writers < 1 || l.Writers > 64:
		return fmt.Errorf("load: %d writers, want 1 to 64", l.Writers)
	case l.Steps < 1 || l.Steps > 1<<20:
		return fmt.Errorf("load: %d steps, want 1 to %d", l.Steps, 1<<20)
	case l.Sessions < 1 || l.Sessions > l.Steps:
		return fmt.Errorf("load: %d sessions, want 1 to the number of steps", l.Sessions)
	case l.Readers < 0 || l.CheckpointEvery < 0 || l.Pause < 0 || l.Epoch < 0 || l.ProbesAfterFailure < 0:
		return errors.New("load: a count is negative")
	}
	return nil
}

// Keys of one writer.
const (
	leasesPerWriter = 3
	pairsPerWriter  = 3
	bulkKeys        = 6
)

// Sizes of values in bytes.
const (
	minValue = 64
	maxValue = 16 << 10
)

// op is one operation of a step. value is the record that it leaves.
type op struct {
	kind    engines.OpKind
	ks      engines.Keyspace
	key     []byte
	value   []byte // nil after a delete
	renewal lease.Renewal
	absent  bool // the record must not exist before
	held    bool // the version that the writer knows must be there
}

// step is one commit of a writer.
type step struct {
	n   int
	ops []op
}

// script walks the steps of one writer, each on the assumption that those before
// it were committed.
type script struct {
	load   *Load
	writer int
	rng    *rand.Rand
	n      int
	leases [leasesPerWriter][]byte // the record, nil if there is none
	pairs  [pairsPerWriter]bool
}

func newScript(l *Load, writer int) *script {
	return &script{load: l, writer: writer, rng: rand.New(rand.NewPCG(l.Seed, uint64(l.Epoch)<<32|uint64(writer)))}
}

// next is the next step. What it holds is not used again by the script.
func (s *script) next() step {
	s.n++
	st := step{n: s.n}
	which := s.rng.IntN(100)
	i := s.rng.IntN(leasesPerWriter)
	switch {
	case which < 55: // a lease
		switch has := s.leases[i] != nil; {
		case !has:
			st.ops = append(st.ops, s.acquire(i))
		case which < 10:
			st.ops = append(st.ops, s.release(i))
		default:
			st.ops = append(st.ops, s.renew(i))
		}
	case which < 90:
		st.ops = s.pair(s.rng.IntN(pairsPerWriter), which >= 82)
	default:
		for k := range bulkKeys {
			key := s.key("bulk", k)
			st.ops = append(st.ops, op{kind: engines.OpPut, ks: engines.Nodes, key: key, value: s.bytes(key, minValue+s.rng.IntN(400))})
		}
	}
	return st
}

func (s *script) acquire(i int) op {
	key := s.leaseKey(i)
	l := lease.New(fmt.Sprintf("node-%d", s.writer), int64(s.n), leaseTime, s.bytes(key, s.size()-lease.HeadBytes))
	value, err := l.AppendBinary(nil)
	if err != nil {
		panic(err) // the id of a node is short
	}
	s.leases[i] = value
	return op{kind: engines.OpPut, ks: engines.Leases, key: key, value: value, absent: true}
}

// leaseTime is far beyond every step: no lease of a history runs out.
const leaseTime = time.Duration(math.MaxInt64 / 2)

func (s *script) renew(i int) op {
	r := lease.Renewal{ExpiresAt: int64(leaseTime) + int64(s.n), Now: int64(s.n)}
	value := append([]byte(nil), s.leases[i]...)
	if err := r.Patch(value); err != nil {
		panic(err) // it is a lease, and it has not run out
	}
	s.leases[i] = value
	return op{kind: engines.OpRenew, ks: engines.Leases, key: s.leaseKey(i), value: value, renewal: r, held: true}
}

func (s *script) release(i int) op {
	s.leases[i] = nil
	return op{kind: engines.OpDelete, ks: engines.Leases, key: s.leaseKey(i), held: true}
}

// pair writes or removes two records in different keyspaces, and sometimes adds a point.
func (s *script) pair(i int, remove bool) []op {
	a, b := s.key("pair", i), s.key("other", i)
	if remove && s.pairs[i] {
		s.pairs[i] = false
		return []op{{kind: engines.OpDelete, ks: engines.Snapshots, key: a}, {kind: engines.OpDelete, ks: engines.Index, key: b}}
	}
	s.pairs[i] = true
	ops := []op{
		{kind: engines.OpPut, ks: engines.Snapshots, key: a, value: s.bytes(a, s.size())},
		{kind: engines.OpPut, ks: engines.Index, key: b, value: s.bytes(b, minValue)},
	}
	if s.rng.IntN(4) == 0 {
		p := lease.Point{Value: float64(s.n)}
		value, err := p.AppendBinary(nil)
		if err != nil {
			panic(err) // it has no labels
		}
		key := lease.AppendPointKey(nil, fmt.Sprintf("metric-%d-%d", s.load.Epoch, s.writer), int64(s.n))
		ops = append(ops, op{kind: engines.OpPut, ks: engines.TimeSeries, key: key, value: value})
	}
	return ops
}

// probe is the n-th commit that a writer tries after one has failed.
func (s *script) probe(n int) step {
	key := s.key("probe", 0)
	return step{n: n, ops: []op{{kind: engines.OpPut, ks: engines.Index, key: key, value: contents(s.load.Seed, key, n, minValue)}}}
}

func (s *script) key(kind string, i int) []byte {
	return fmt.Appendf(nil, "%s-%d-%02d-%d", kind, s.load.Epoch, s.writer, i)
}

func (s *script) leaseKey(i int) []byte {
	k := lease.Key{ActorType: fmt.Sprintf("crash-%d", s.load.Epoch)}
	k.ActorID[0], k.ActorID[1], k.ActorID[15] = byte(s.writer*37), byte(s.writer), byte(i)
	return k.AppendKey(nil)
}

// size is spread evenly over the orders of magnitude between the smallest and the largest.
func (s *script) size() int {
	return int(minValue * math.Pow(maxValue/minValue, s.rng.Float64()))
}

// bytes are the contents of a record after this step.
func (s *script) bytes(key []byte, n int) []byte { return contents(s.load.Seed, key, s.n, n) }

// contents is f(seed, key, step): bytes that no other record and no other step has.
func contents(seed uint64, key []byte, step, n int) []byte {
	h := fnv.New64a()
	h.Write(key)
	rng := rand.New(rand.NewPCG(seed^h.Sum64(), uint64(step)))
	b := make([]byte, n, n+8)
	for i := 0; i < n; i += 8 {
		v := rng.Uint64()
		for j := i; j < min(i+8, n); j++ {
			b[j] = byte(v)
			v >>= 8
		}
	}
	return b
}
