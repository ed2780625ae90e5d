package enginetest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"sync"
	"time"

	"orbitbench/engines"
)

// loadSpec is the load that a child commits until it is killed. The keys of
// different writers differ, so that each key has one history.
type loadSpec struct {
	Seed    uint64 `json:"seed"`
	Round   uint64 `json:"round"`
	Writers int    `json:"writers"`
	// Checkpoints: writer 0 takes one now and then. Not in every round, because
	// a checkpoint makes durable what a broken log would lose.
	Checkpoints bool `json:"checkpoints"`
	// Pause of a writer after each commit: a load that must last for a while
	// need not fill it.
	Pause time.Duration `json:"pause"`
}

// actorsPerWriter is the number of keys of one writer.
const actorsPerWriter = 6

func actorKey(writer, actor int) string { return fmt.Sprintf("writer-%02d-actor-%02d", writer, actor) }

// step is what a writer does next. It follows from seed, writer and seq, so
// that the parent knows it without being told.
type step struct {
	kind stepKind
	key  string
	seq  uint64
	size int
}

type stepKind uint8

const (
	stepStore  stepKind = iota // put lease and index
	stepRenew                  // renew the lease and put the index, in one batch
	stepNative                 // RenewLease; where there is none, a renewal by Apply
	stepRemove                 // delete lease and index
)

func (l loadSpec) step(writer int, seq uint64) step {
	rng := rand.New(rand.NewPCG(l.Seed^uint64(writer)<<32, seq))
	s := step{key: actorKey(writer, rng.IntN(actorsPerWriter)), seq: seq, size: valueHead + rng.IntN(120)}
	switch n := rng.IntN(100); {
	case n < 40:
		s.kind = stepStore
	case n < 65:
		s.kind = stepRenew
	case n < 90:
		s.kind = stepNative
	default:
		s.kind = stepRemove
	}
	if rng.IntN(60) == 0 {
		s.size = 12_000
	}
	return s
}

// pair is the state of one key: its records in Leases and Index.
type pair struct {
	lease, index   string // values, "" = absent
	leaseV, indexV engines.Version
}

// next returns the state after the step, without versions. A renewal of
// nothing stores instead.
func (p pair) next(st step) pair {
	kind := st.kind
	if p.lease == "" && (kind == stepRenew || kind == stepNative) {
		kind = stepStore
	}
	switch kind {
	case stepRenew:
		p.lease, p.index = patched([]byte(p.lease), st.renewal()), string(value(st.key, st.seq, st.size))
	case stepNative:
		p.lease = patched([]byte(p.lease), st.renewal())
	case stepRemove:
		p = pair{}
	default:
		p.lease, p.index = string(st.leaseValue()), string(value(st.key, st.seq, st.size))
	}
	return p
}

func (st step) renewal() renewalArgs { return renewal(int64(st.seq), 1<<50+int64(st.seq)) }

// leaseValue is a lease whose custom data belongs to key and seq.
func (st step) leaseValue() []byte {
	return append(leaseBytes(int64(st.seq), 1<<50), value(st.key, st.seq, st.size)...)
}

// run tells what the store holds, and then lets every writer commit without
// pause and tell before and after each commit. It ends with an error only.
func (l loadSpec) run(e engines.Engine, stdout io.Writer) error {
	var out sync.Mutex
	say := func(format string, args ...any) error {
		out.Lock()
		defer out.Unlock()
		// One write call: a kill leaves whole lines.
		_, err := stdout.Write(fmt.Appendf(nil, format, args...))
		return err
	}
	states := make([]map[string]pair, l.Writers)
	for w := range l.Writers {
		states[w] = make(map[string]pair)
		for a := range actorsPerWriter {
			key := actorKey(w, a)
			p, err := readPair(context.Background(), e, key)
			if err != nil {
				return err
			}
			states[w][key] = p
			if err := say("S %s %d %d %x- %x-\n", key, p.leaseV, p.indexV, p.lease, p.index); err != nil {
				return err
			}
		}
	}
	failed := make(chan error)
	for w := range l.Writers {
		go func() { failed <- l.write(e, w, states[w], say) }()
	}
	return <-failed
}

func (l loadSpec) write(e engines.Engine, writer int, states map[string]pair, say func(string, ...any) error) error {
	ctx := context.Background()
	checkpointer, canCheckpoint := e.(engines.Checkpointer)
	for i := uint64(1); ; i++ {
		st := l.step(writer, l.Round<<32|i)
		if err := say("I %d %d %d\n", writer, st.seq, time.Now().UnixNano()); err != nil {
			return err
		}
		p, err := l.commit(ctx, e, states[st.key], st)
		if err != nil {
			return fmt.Errorf("writer %d, step %+v: %w", writer, st, err)
		}
		states[st.key] = p
		if err := say("A %d %d %d %d %d\n", writer, st.seq, p.leaseV, p.indexV, time.Now().UnixNano()); err != nil {
			return err
		}
		if l.Pause > 0 {
			time.Sleep(l.Pause)
		}
		if canCheckpoint && l.Checkpoints && writer == 0 && i%40 == 0 {
			if err := checkpointer.Checkpoint(ctx); err != nil {
				return fmt.Errorf("checkpoint: %w", err)
			}
		}
	}
}

// commit carries out one step under a condition on the versions of the state.
func (l loadSpec) commit(ctx context.Context, e engines.Engine, p pair, st step) (pair, error) {
	after := p.next(st)
	key := []byte(st.key)
	if native, ok := e.(engines.LeaseRenewer); ok && st.kind == stepNative && p.lease != "" {
		v, err := native.RenewLease(ctx, key, p.leaseV, st.renewal())
		after.leaseV = v
		return after, err
	}
	var b engines.Batch
	b.Require(engines.Leases, key, p.leaseV)
	b.Require(engines.Index, key, p.indexV)
	renews := p.lease != "" && (st.kind == stepRenew || st.kind == stepNative)
	switch {
	case renews:
		b.Renew(key, st.renewal())
	case after.lease == "":
		b.Delete(engines.Leases, key)
	default:
		b.Put(engines.Leases, key, []byte(after.lease))
	}
	switch {
	case after.index == "":
		b.Delete(engines.Index, key)
	case after.index != p.index:
		b.Put(engines.Index, key, []byte(after.index))
	}
	err := e.Apply(ctx, &b)
	after.leaseV = b.Ops[0].Assigned
	if len(b.Ops) == 2 {
		after.indexV = b.Ops[1].Assigned
	}
	return after, err
}

// readPair reads the two records of a key.
func readPair(ctx context.Context, g getter, key string) (p pair, err error) {
	read := func(ks engines.Keyspace) (string, engines.Version, error) {
		got, v, err := g.Get(ctx, ks, []byte(key), nil)
		if errors.Is(err, engines.ErrNotFound) {
			return "", 0, nil
		}
		return string(got), v, err
	}
	if p.lease, p.leaseV, err = read(engines.Leases); err == nil {
		p.index, p.indexV, err = read(engines.Index)
	}
	return p, err
}
