package cell

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"orbitbench/engines"
	"orbitbench/harness/filetree"
	"orbitbench/harness/procstat"
	"orbitbench/harness/record"
	"orbitbench/harness/result"
	"orbitbench/workloads"
)

// A recovery_curve cell is one point of the curve of recovery time:
//
//  1. A store is prepared once, as in a recovery cell: recovery-load loads it, asks
//     the engine for a checkpoint where it has one, renews until the log holds
//     LogRenewals (or Params.Seconds are over), and is killed at work.
//  2. For each repetition, once with the page cache dropped and once with it
//     filled, the killed store is copied, and recovery-open opens the copy, so
//     that no recovery profits from the one before.
//  3. After its first read and write recovery-open reads leases one by one: cold
//     and warm reads of a loaded store.
//
// The first repetition of each cache compares every lease; the others start from
// the same bytes, and verify what they read.

// CurveJob says what a recovery_curve cell is to do.
type CurveJob struct {
	LogRenewals int `json:"log_renewals"`
	Reads       int `json:"reads"`
}

// The states of the page cache at the start of a recovery.
const (
	cacheCold   = "cold"
	cacheWarm   = "warm"
	cachePartly = "partly cold" // the kernel kept pages
)

// curve is a recovery_curve cell in the making.
type curve struct {
	*repetition
	prepared string // directory of the killed store
	reads    map[string][]*result.Latency
}

func runCurve(ctx context.Context, s *Spec, progress func(Progress), c *result.Cell) (err error) {
	if s.Durability.Class == engines.None {
		return fmt.Errorf("%w: class none: nothing survives the kill by definition", engines.ErrUnsupported)
	}
	if s.Curve == nil || s.Curve.LogRenewals < 0 || s.Curve.Reads < 0 {
		return errors.New("curve is missing or negative: want the renewals of the log and the number of reads, 0 or more")
	}
	inner := *s
	inner.Params = recoveryParams(s.Params)
	space, err := workloads.NewSpace(workloads.Params(inner.Params), s.Seed)
	if err != nil {
		return err
	}
	if space.Residents() == 0 {
		return errors.New("recovery wants leases to recover: prefill is 0")
	}
	c.Params = inner.Params
	c.Recovery = &result.Recovery{Leases: space.Residents(), Cache: cacheCold + " and " + cacheWarm, Curve: new(result.Curve)}
	repetitions := max(1, s.Repetitions)
	done := 0.0 // recoveries
	r := &curve{prepared: filepath.Join(s.Dir, "prepared", storeName), reads: map[string][]*result.Latency{}, repetition: &repetition{
		spec: &inner, space: space, dir: filepath.Join(s.Dir, "prepared"), cell: c, least: max(1, uint64(s.Curve.LogRenewals)),
		extra: recoveryJob{Checkpoint: true},
		progress: func(phase string, share float64) {
			progress(Progress{Phase: phase, Done: done + share, Total: float64(2*repetitions + 1)})
		},
	}}
	if r.acks, err = newAcks(space.Size()); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.acks.Close()) }()
	if err := r.prepare(ctx); err != nil {
		return err
	}
	r.extra = recoveryJob{Reads: s.Curve.Reads}
	for i := range repetitions {
		for _, cache := range []string{cacheCold, cacheWarm} {
			done++
			if err := r.once(ctx, i, cache); err != nil {
				return err
			}
		}
	}
	return r.mergeReads()
}

// prepare makes the store that every repetition starts from.
func (r *curve) prepare(ctx context.Context) error {
	if err := os.Mkdir(r.dir, 0o755); err != nil {
		return err
	}
	renewals, err := r.loadAndKill(ctx)
	if err != nil {
		return err
	}
	rec := r.cell.Recovery
	rec.RenewalsSinceLoad = renewals
	k := rec.Curve
	k.LogRenewals, k.Checkpointed = renewals, r.checkpointed
	k.LogUserBytes = uint64(renewals) * uint64(r.space.KeyBytes()+r.spec.Params.ValueBytes)
	if wanted := r.least; uint64(renewals) < wanted {
		r.cell.Warnings = append(r.cell.Warnings, fmt.Sprintf("the log holds %d renewals of %d that were asked for: the engine made no more in %v s", renewals, wanted, r.spec.Params.Seconds))
	}
	k.StoreBytes, err = procstat.DiskBytes(r.prepared)
	return err
}

// once recovers one copy.
func (r *curve) once(ctx context.Context, number int, cache string) (err error) {
	r.number = number
	r.dir = filepath.Join(r.spec.Dir, fmt.Sprintf("%s-%d", cache, number+1))
	if err := os.Mkdir(r.dir, 0o755); err != nil {
		return err
	}
	if !r.spec.KeepData {
		defer func() { err = errors.Join(err, os.RemoveAll(r.dir)) }()
	}
	trial := result.RecoveryTrial{Cache: cache}
	r.progress("copy", 0)
	if err := r.copy(ctx, &trial); err != nil {
		return err
	}
	r.progress("recover "+cache, 0.5)
	r.extra.Unchecked = number > 0
	job := r.job()
	actor := r.space.Resident(job.Probe) // recovery-open renews it in the copy, and the next copy knows nothing of that
	latest, pledged := r.acks.latest[actor], r.acks.pledged[actor]
	reply, err := r.recover(ctx, &trial)
	r.acks.latest[actor], r.acks.pledged[actor] = latest, pledged
	if err != nil {
		return err
	}
	r.cell.Path = reply.Path
	r.cell.Recovery.Repetitions = append(r.cell.Recovery.Repetitions, trial)
	if !r.extra.Unchecked || r.cell.Check == nil {
		r.cell.Check = &reply.Check
	}
	if reply.Check.Lost+reply.Check.Phantom > 0 {
		r.cell.Check = &reply.Check
		return fmt.Errorf("recovery %d (%s) after kill -9: %s", number+1, cache, reply.Check.Verdict)
	}
	if reply.Reads != nil && trial.Cache == cache {
		r.reads[cache] = append(r.reads[cache], reply.Reads)
	}
	return nil
}

// copy copies the killed store and puts the page cache into the state of trial.Cache.
func (r *curve) copy(ctx context.Context, trial *result.RecoveryTrial) error {
	reflinks, err := filetree.Copy(ctx, r.prepared, r.store())
	if err != nil {
		return fmt.Errorf("copying the store: %w", err)
	}
	r.cell.Recovery.Curve.Copy = result.CopyBytes
	if reflinks {
		r.cell.Recovery.Curve.Copy = result.CopyReflink
	}
	if trial.DiskBytes, err = procstat.DiskBytes(r.store()); err != nil {
		return err
	}
	// Either way the copy is on the device first: writing it back is none of the recovery's.
	cold, err := procstat.DropCache(r.store())
	switch {
	case err != nil:
		return err
	case trial.Cache == cacheWarm:
		if err := filetree.Read(ctx, r.store()); err != nil {
			return err
		}
	case !cold:
		trial.Cache = cachePartly
		r.cell.Warnings = append(r.cell.Warnings, "the kernel kept pages of a copy in its cache: its recovery was not cold, and is left out")
	}
	cached, err := procstat.PageCache(r.store())
	trial.CachedBytes = &cached
	return err
}

func (r *curve) mergeReads() error {
	for cache, dst := range map[string]**result.Latency{cacheCold: &r.cell.Recovery.Curve.ColdReads, cacheWarm: &r.cell.Recovery.Curve.WarmReads} {
		sum := record.NewHistogram()
		var outOfRange uint64
		for _, l := range r.reads[cache] {
			h, err := record.FromLatency(*l)
			if err != nil {
				return err
			}
			sum.Merge(h)
			outOfRange += l.OutOfRange
		}
		if len(r.reads[cache]) == 0 {
			continue
		}
		l, err := record.ToLatency(sum, outOfRange)
		if err != nil {
			return err
		}
		*dst = &l
	}
	return nil
}
