package crash

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"orbitbench/engines"
)

// ChildVerb is the hidden verb of the processes of this package; its argument is
// worker or verifier.
const ChildVerb = "crash-child"

// Lookup finds a driver by name.
type Lookup func(name string) (engines.Driver, error)

// pipeDescriptor is where a process finds the pipe from the harness.
const pipeDescriptor = 3

// ChildMain is the body of ChildVerb. It returns the exit code.
func ChildMain(ctx context.Context, args []string, lookup Lookup, stdin io.Reader, stdout, stderr io.Writer) int {
	err := fmt.Errorf("arguments are %q, want worker or verifier", args)
	if len(args) == 1 && args[0] == workerName {
		err = workerMain(ctx, lookup, stdin, os.NewFile(pipeDescriptor, "answers"), stdout)
	} else if len(args) == 1 && args[0] == verifierName {
		err = verifierMain(ctx, lookup, stdin, os.NewFile(pipeDescriptor, "requests"), stdout)
	}
	if err != nil {
		fmt.Fprintln(stderr, err)
		return 1
	}
	return 0
}

const (
	workerName   = "worker"
	verifierName = "verifier"
)

// storeJob says how to open a store.
type storeJob struct {
	Engine     string             `json:"engine"`
	Durability engines.Durability `json:"durability"`
	Config     map[string]any     `json:"config,omitempty"`
	Dir        string             `json:"dir"`
}

func (j *storeJob) open(ctx context.Context, lookup Lookup) (engines.Engine, error) {
	driver, err := lookup(j.Engine)
	if err != nil {
		return nil, err
	}
	return driver.Open(ctx, engines.Options{Dir: j.Dir, Durability: j.Durability, Config: j.Config, MemoryBytes: storeMemory})
}

// storeMemory is the budget of an engine here: small stores need little, and
// small memtables are flushed more often.
const storeMemory = 32 << 20

type workerJob struct {
	storeJob
	Load Load `json:"load"`
}

// worker is the process that commits.
type worker struct {
	job     *workerJob
	lookup  Lookup
	mu      sync.Mutex    // guards out and answers: one line at a time is on its way
	out     *json.Encoder // to the harness
	answers io.Reader     // a byte for each line
	engine  engines.Engine
	writers []*writer
}

// workerMain carries out a load. What goes wrong with the engine is told as an
// event; an error is returned for what is wrong with the call.
func workerMain(ctx context.Context, lookup Lookup, stdin io.Reader, answers io.Reader, stdout io.Writer) error {
	var job workerJob
	if err := json.NewDecoder(stdin).Decode(&job); err != nil {
		return err
	}
	if err := job.Load.Validate(); err != nil {
		return err
	}
	w := &worker{job: &job, lookup: lookup, out: json.NewEncoder(stdout), answers: answers}
	for i := range job.Load.Writers {
		w.writers = append(w.writers, &writer{worker: w, number: i, script: newScript(&job.Load, i), versions: map[recordID]engines.Version{}})
	}
	for session := range job.Load.Sessions {
		if err := w.session(ctx, session); err != nil {
			return w.tell(&Event{Kind: Broken, Error: err.Error()})
		}
	}
	return nil
}

// tell sends an event and waits until it has its place.
func (w *worker) tell(e *Event) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.out.Encode(e); err != nil {
		return err
	}
	var answer [1]byte
	_, err := io.ReadFull(w.answers, answer[:])
	return err
}

// session opens the engine, commits its share of the steps and closes it; the
// last one closes only if the load says so, and waits for its end otherwise.
func (w *worker) session(ctx context.Context, n int) (err error) {
	if w.engine, err = w.job.open(ctx, w.lookup); err != nil {
		return fmt.Errorf("open: %w", err)
	}
	if err := w.tell(&Event{Kind: Opened}); err != nil {
		return err
	}
	load := &w.job.Load
	until := load.Steps * (n + 1) / load.Sessions
	failures := make([]error, len(w.writers))
	var all, readers sync.WaitGroup
	for i, wr := range w.writers {
		all.Go(func() { failures[i] = wr.run(ctx, until) })
	}
	var stop atomic.Bool
	for i := range load.Readers {
		readers.Go(func() { w.read(ctx, uint64(n*64+i), &stop) })
	}
	all.Wait()
	stop.Store(true)
	readers.Wait()
	if err := errors.Join(failures...); err != nil {
		return err
	}
	last := n == load.Sessions-1
	if last {
		if err := w.tell(&Event{Kind: Done}); err != nil {
			return err
		}
		if !load.CloseAtEnd {
			// The harness kills this process; what the engine does until then is part of the history.
			_, err := io.ReadFull(w.answers, make([]byte, 1))
			return err
		}
	}
	if err := w.engine.Close(); err != nil {
		return fmt.Errorf("close: %w", err)
	}
	return w.tell(&Event{Kind: Closed})
}

// read shows what readers see, until stop.
func (w *worker) read(ctx context.Context, seed uint64, stop *atomic.Bool) {
	rng := rand.New(rand.NewPCG(w.job.Load.Seed, 1<<63|seed))
	for !stop.Load() {
		s := newScript(&w.job.Load, rng.IntN(w.job.Load.Writers))
		e := Event{Kind: Read, Keyspace: engines.Leases, Key: s.leaseKey(rng.IntN(leasesPerWriter))}
		if rng.IntN(2) == 0 {
			e.Keyspace, e.Key = engines.Snapshots, s.key("pair", rng.IntN(pairsPerWriter))
		}
		_, v, err := w.engine.Get(ctx, e.Keyspace, e.Key, nil)
		if err == nil {
			e.Versions = []uint64{uint64(v)}
			if w.tell(&e) != nil {
				return
			}
		}
		time.Sleep(readPause)
	}
}

// readPause keeps readers from drowning the writers in lines.
const readPause = 2 * time.Millisecond

// writer is one goroutine of the worker.
type writer struct {
	*worker
	number   int
	script   *script
	versions map[recordID]engines.Version // granted last
	failed   bool
}

// run commits steps until the script has reached one, or the engine refuses.
func (w *writer) run(ctx context.Context, until int) error {
	for w.script.n < until && !w.failed {
		st := w.script.next()
		if err := w.commit(ctx, st, false); err != nil {
			return err
		}
		if every := w.job.Load.CheckpointEvery; w.number == 0 && every > 0 && st.n%every == 0 && !w.failed {
			if err := w.checkpoint(ctx); err != nil {
				return err
			}
		}
		time.Sleep(w.job.Load.Pause)
	}
	if !w.failed {
		return nil
	}
	for n := range w.job.Load.ProbesAfterFailure {
		if err := w.commit(ctx, w.script.probe(n+1), true); err != nil {
			return err
		}
		time.Sleep(w.job.Load.Pause)
	}
	return nil
}

func (w *writer) checkpoint(ctx context.Context) error {
	k, ok := w.engine.(engines.Checkpointer)
	if !ok {
		return nil
	}
	e := Event{Kind: Checkpoint, Writer: w.number}
	if err := k.Checkpoint(ctx); err != nil {
		e.Error = err.Error()
	}
	return w.tell(&e)
}

// commit says I, commits, and says A or F. The error is one of the pipe.
func (w *writer) commit(ctx context.Context, st step, probe bool) error {
	if err := w.tell(&Event{Kind: Issued, Writer: w.number, Step: st.n, Probe: probe}); err != nil {
		return err
	}
	versions, err := w.apply(ctx, st)
	if err != nil {
		w.failed = true
		return w.tell(&Event{Kind: Refused, Writer: w.number, Step: st.n, Probe: probe, Error: err.Error(), Full: errors.Is(err, engines.ErrFull)})
	}
	return w.tell(&Event{Kind: Acked, Writer: w.number, Step: st.n, Probe: probe, Versions: versions})
}

// apply takes the engine's own path for a renewal alone, and a batch for all else.
func (w *writer) apply(ctx context.Context, st step) ([]uint64, error) {
	if o := &st.ops[0]; len(st.ops) == 1 && o.kind == engines.OpRenew {
		if native, ok := w.engine.(engines.LeaseRenewer); ok {
			id := recordID{o.ks, string(o.key)}
			v, err := native.RenewLease(ctx, o.key, w.versions[id], o.renewal)
			if err == nil {
				w.versions[id] = v
			}
			return []uint64{uint64(v)}, err
		}
	}
	var b engines.Batch
	for i := range st.ops {
		o := &st.ops[i]
		switch {
		case o.absent:
			b.Require(o.ks, o.key, 0)
		case o.held:
			b.Require(o.ks, o.key, w.versions[recordID{o.ks, string(o.key)}])
		}
		switch o.kind {
		case engines.OpPut:
			b.Put(o.ks, o.key, o.value)
		case engines.OpDelete:
			b.Delete(o.ks, o.key)
		case engines.OpRenew:
			b.Renew(o.key, o.renewal)
		}
	}
	if err := w.engine.Apply(ctx, &b); err != nil {
		return nil, err
	}
	versions := make([]uint64, len(b.Ops))
	for i := range b.Ops {
		versions[i] = uint64(b.Ops[i].Assigned)
		w.versions[recordID{b.Ops[i].Keyspace, string(b.Ops[i].Key)}] = b.Ops[i].Assigned
	}
	return versions, nil
}
