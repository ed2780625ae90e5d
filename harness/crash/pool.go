package crash

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"orbitbench/engines"
	"orbitbench/harness/child"
)

// Pool keeps verifier processes, so that a state does not cost the start of one.
// Its methods may be called concurrently; at most its size verify at a time.
type Pool struct {
	idle    chan *verifier // a nil stands for a process that is not there yet
	size    int
	timeout time.Duration
}

type verifier struct {
	process  *child.Process
	requests *os.File
	served   int
}

// servedMax is when a verifier is replaced: what an engine leaks over hundreds of
// openings must not become a finding.
const servedMax = 200

// NewPool makes a pool. timeout is what one store may take, 0 means DefaultTimeout.
// The caller closes it.
func NewPool(size int, timeout time.Duration) *Pool {
	if timeout == 0 {
		timeout = DefaultTimeout
	}
	p := &Pool{idle: make(chan *verifier, size), size: size, timeout: timeout}
	for range size {
		p.idle <- nil
	}
	return p
}

// Size is how many can verify at a time.
func (p *Pool) Size() int { return p.size }

// Close ends the processes. Nobody may verify any more.
func (p *Pool) Close() error {
	var err error
	for range p.size {
		if v := <-p.idle; v != nil {
			err = errors.Join(err, v.end())
		}
	}
	return err
}

func (v *verifier) end() error {
	return errors.Join(v.requests.Close(), v.process.Kill())
}

func startVerifier() (*verifier, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	// The processes outlive one cell, and are killed by Close.
	process, err := child.Start(context.Background(), []string{ChildVerb, verifierName}, "verify", r)
	if err = errors.Join(err, r.Close()); err != nil {
		return nil, errors.Join(err, w.Close())
	}
	return &verifier{process: process, requests: w}, nil
}

// VerifyOptions say what a verifier does beside looking.
type VerifyOptions struct {
	Probes    []BaseRecord // whose keys are written after the first dump
	Renew     bool         // renew one recovered lease
	SelfCheck bool         // ask the engine's own verify
	OpenOnly  bool         // look once, write nothing
	// KillAfter kills a first verifier that long after it was told to open the
	// store: a crash inside recovery. 0: none.
	KillAfter time.Duration
}

// Verify looks at the store in dir. What the engine does is in Verified; an error
// is one of the harness.
func (p *Pool) Verify(ctx context.Context, t *Target, dir string, o VerifyOptions) (Verified, error) {
	job := &verifyJob{storeJob: t.job(dir), Renew: o.Renew, SelfCheck: o.SelfCheck, OpenOnly: o.OpenOnly}
	for i := range o.Probes {
		job.Probes = append(job.Probes, probeKey{o.Probes[i].Keyspace, o.Probes[i].Key})
	}
	var v *verifier
	select {
	case v = <-p.idle:
	case <-ctx.Done():
		return Verified{}, child.ErrInterrupted
	}
	defer func() { p.idle <- v }()
	if o.KillAfter > 0 {
		if err := p.interrupt(ctx, &v, job, o.KillAfter); err != nil {
			return Verified{}, err
		}
	}
	return p.serve(ctx, &v, job)
}

// ask hands a verifier its job, and starts one if there is none.
func ask(v **verifier, job *verifyJob) error {
	if *v == nil {
		fresh, err := startVerifier()
		if err != nil {
			return err
		}
		*v = fresh
	}
	raw, err := json.Marshal(job)
	if err != nil {
		return err
	}
	(*v).served++
	_, err = (*v).requests.Write(append(raw, '\n'))
	return err
}

func drop(v **verifier) error {
	err := (*v).end()
	*v = nil
	return err
}

// interrupt lets a verifier begin, and kills it.
func (p *Pool) interrupt(ctx context.Context, v **verifier, job *verifyJob, after time.Duration) error {
	once := *job
	once.OpenOnly = true // it writes nothing that the oracle would not know of
	if err := ask(v, &once); err != nil {
		return err
	}
	if _, err := (*v).process.Alive(after); errors.Is(err, child.ErrInterrupted) {
		return err
	}
	return errors.Join(drop(v), ctx.Err())
}

// serve asks and takes the answer. A verifier that has seen anything but a good
// store is replaced: who knows what the engine has left open.
func (p *Pool) serve(ctx context.Context, v **verifier, job *verifyJob) (Verified, error) {
	if err := ask(v, job); err != nil {
		return Verified{}, err
	}
	line, err := (*v).process.Alive(p.timeout)
	if ctx.Err() != nil {
		return Verified{}, errors.Join(child.ErrInterrupted, drop(v))
	}
	switch {
	case err != nil:
		return Verified{Outcome: OutcomeCrashed, Error: err.Error()}, drop(v)
	case line == nil:
		return Verified{Outcome: OutcomeHung, Error: fmt.Sprintf("no answer within %v", p.timeout)}, drop(v)
	}
	var out Verified
	if err := json.Unmarshal(line, &out); err != nil {
		return Verified{}, errors.Join(fmt.Errorf("verifier said %.80q: %w", line, err), drop(v))
	}
	if out.Outcome != OutcomeOK || out.ProbeError != "" || (*v).served >= servedMax {
		err = drop(v)
	}
	return out, err
}

// Probes picks up to n keys of a model to write after a crash, every k-th one, the
// leases among them; those of earlier histories too.
func (m *Model) Probes(n int) []BaseRecord {
	var all []BaseRecord
	for _, k := range m.order {
		if k.id.ks == engines.TimeSeries {
			continue // an engine may refuse to write a point twice
		}
		all = append(all, BaseRecord{Record: Record{Keyspace: k.id.ks, Key: []byte(k.id.key)}})
	}
	if len(all) <= n {
		// The last lease is left as it is, for its holder to renew.
		return withoutOneLease(all)
	}
	picked := make([]BaseRecord, 0, n)
	for i := range n {
		picked = append(picked, all[i*len(all)/n])
	}
	return picked
}

func withoutOneLease(all []BaseRecord) []BaseRecord {
	for i := len(all) - 1; i >= 0; i-- {
		if all[i].Keyspace == engines.Leases {
			return append(all[:i:i], all[i+1:]...)
		}
	}
	return all
}

// storeIn is the store below a directory.
func storeIn(dir string) string { return filepath.Join(dir, StoreName) }
