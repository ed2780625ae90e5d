package crash

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"runtime/debug"
	"slices"

	"orbitbench/engines"
	"orbitbench/engines/lease"
)

// The outcomes of an attempt to open what a crash left.
const (
	OutcomeOK       = "ok"
	OutcomeRefused  = "would not open"
	OutcomeHung     = "hung"
	OutcomeCrashed  = "crashed" // it took its process with it
	OutcomeNotMount = "would not mount"
)

// verifyJob asks a verifier to look at a store.
type verifyJob struct {
	storeJob
	// Probes are what is written after the first dump, one batch of puts.
	Probes []probeKey `json:"probes,omitempty"`
	// Renew asks for the renewal of one recovered lease with its recovered version.
	Renew bool `json:"renew,omitempty"`
	// SelfCheck asks for the engine's own verify between the two openings.
	SelfCheck bool `json:"self_check,omitempty"`
	// OpenOnly ends after the first dump.
	OpenOnly bool `json:"open_only,omitempty"`
}

type probeKey struct {
	Keyspace engines.Keyspace `json:"ks"`
	Key      []byte           `json:"key"`
}

// Verified is what a verifier found.
type Verified struct {
	Outcome string `json:"outcome"`
	Error   string `json:"error,omitempty"`
	Corrupt bool   `json:"corrupt,omitempty"` // Error is ErrCorrupt
	// CorruptFile and CorruptAt are where the damage is, as the error says: "" if it
	// names no file, -1 if it names no offset.
	CorruptFile string   `json:"corrupt_file,omitempty"`
	CorruptAt   int64    `json:"corrupt_at,omitempty"`
	Records     Records  `json:"records,omitempty"` // after the first opening
	Probes      []Record `json:"probes,omitempty"`  // what was written then, with the versions granted
	ProbeError  string   `json:"probe_error,omitempty"`
	SelfCheck   string   `json:"self_check,omitempty"` // what the engine's own verify found wrong
	Reopened    bool     `json:"reopened,omitempty"`   // it was closed and opened a second time
	Again       Records  `json:"again,omitempty"`      // what was there then
}

// verifierMain looks at one store after the other, until the requests end.
func verifierMain(ctx context.Context, lookup Lookup, stdin, requests io.Reader, stdout io.Writer) error {
	var hello string
	if err := json.NewDecoder(stdin).Decode(&hello); err != nil {
		return err
	}
	debug.SetGCPercent(verifierGC)
	dec := json.NewDecoder(bufio.NewReader(requests))
	enc := json.NewEncoder(stdout)
	for {
		var job verifyJob
		if err := dec.Decode(&job); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		if err := enc.Encode(lookAt(ctx, &job, lookup)); err != nil {
			return err
		}
	}
}

// verifierGC lets the heap of a verifier, which lives for some hundred small stores, grow
// further than usual: collecting was a quarter of its work.
const verifierGC = 800

// lookAt opens, dumps, writes, closes, opens again and dumps again.
func lookAt(ctx context.Context, job *verifyJob, lookup Lookup) *Verified {
	v := &Verified{Outcome: OutcomeOK}
	refuse := func(what string, err error) *Verified {
		v.Outcome, v.Error, v.Corrupt = OutcomeRefused, what+": "+err.Error(), errors.Is(err, engines.ErrCorrupt)
		if place := (*engines.CorruptError)(nil); errors.As(err, &place) {
			v.CorruptFile, v.CorruptAt = filepath.Base(place.File), place.Offset
		}
		return v
	}
	e, err := job.open(ctx, lookup)
	if err != nil {
		return refuse("open", err)
	}
	if v.Records, err = dumpStore(ctx, e); err != nil {
		return refuse("read", errors.Join(err, e.Close()))
	}
	if job.OpenOnly {
		if err := e.Close(); err != nil {
			v.ProbeError = "close: " + err.Error()
		}
		return v
	}
	err = v.probe(ctx, job, e)
	if cerr := e.Close(); cerr != nil {
		err = errors.Join(err, fmt.Errorf("close: %w", cerr))
	}
	if err != nil {
		v.ProbeError = err.Error()
		return v
	}
	if job.SelfCheck {
		v.SelfCheck = selfCheck(ctx, job, lookup)
	}
	if e, err = job.open(ctx, lookup); err != nil {
		return refuse("open again", err)
	}
	v.Again, err = dumpStore(ctx, e)
	if err = errors.Join(err, e.Close()); err != nil {
		return refuse("read again", err)
	}
	v.Reopened = true
	return v
}

// selfCheck asks the engine's own verifier, if it has one.
func selfCheck(ctx context.Context, job *verifyJob, lookup Lookup) string {
	driver, err := lookup(job.Engine)
	if err != nil {
		return err.Error()
	}
	if k, ok := driver.(engines.Verifier); ok {
		if _, err := k.Verify(ctx, job.Dir, nil); err != nil {
			return err.Error()
		}
	}
	return ""
}

// probe writes: a batch of puts, and the renewal of a lease by whoever held it.
func (v *Verified) probe(ctx context.Context, job *verifyJob, e engines.Engine) error {
	var b engines.Batch
	for _, p := range job.Probes {
		b.Put(p.Keyspace, p.Key, []byte(probeValue))
	}
	if len(b.Ops) > 0 {
		if err := e.Apply(ctx, &b); err != nil {
			return fmt.Errorf("write: %w", err)
		}
	}
	for i := range b.Ops {
		o := &b.Ops[i]
		v.Probes = append(v.Probes, Record{Keyspace: o.Keyspace, Key: o.Key, Version: uint64(o.Assigned), Digest: digestOf(o.Value)})
	}
	if job.Renew {
		return v.renew(ctx, e)
	}
	return nil
}

const probeValue = "written after the crash"

// renew extends the first lease that came back and was not written over.
func (v *Verified) renew(ctx context.Context, e engines.Engine) error {
	for i := range v.Records {
		r := &v.Records[i]
		if r.Keyspace != engines.Leases || slices.ContainsFunc(v.Probes, func(p Record) bool { return p.id() == r.id() }) {
			continue
		}
		value, version, err := e.Get(ctx, r.Keyspace, r.Key, nil)
		if err != nil {
			return fmt.Errorf("read of %s: %w", r.id(), err)
		}
		if lease.CheckHead(value) != nil {
			continue
		}
		renewal := lease.Renewal{ExpiresAt: lease.ExpiresAt(value), Now: 1}
		if err := renewal.Patch(value); err != nil {
			continue
		}
		var b engines.Batch
		b.Require(r.Keyspace, r.Key, version)
		b.Renew(r.Key, renewal)
		if err := e.Apply(ctx, &b); err != nil {
			return fmt.Errorf("renewal of %s: %w", r.id(), err)
		}
		v.Probes = append(v.Probes, Record{Keyspace: r.Keyspace, Key: r.Key, Version: uint64(b.Ops[0].Assigned), Digest: digestOf(value)})
		return nil
	}
	return nil
}
