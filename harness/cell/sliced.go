package cell

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"orbitbench/harness/record"
	"orbitbench/harness/result"
	"orbitbench/workloads"
)

// Sliced is a renewal cell that measures when it is told to, slice by slice, so
// that several of them, open at once in one process, can take turns within
// milliseconds. Its load is a closed loop of one worker, which runs on the
// caller's goroutine: no thread is changed between slices. It is for one
// goroutine at a time.
type Sliced struct {
	r    *renewal
	took []int64 // ns of each renewal of the slice
}

// OpenSliced opens the engine that s names and loads it like a renewal cell.
// Warm-up and length of s are not used. The caller closes the Sliced and removes Dir.
func OpenSliced(ctx context.Context, s Spec, lookup Lookup) (*Sliced, error) {
	s.Kind = result.KindRenewal
	s.Params.Workers = 1
	if err := s.validate(); err != nil {
		return nil, err
	}
	driver, err := lookup(s.Plan.Engine)
	if err != nil {
		return nil, err
	}
	if err := driver.Info().Supports(s.Durability); err != nil {
		return nil, err
	}
	r := &renewal{base: base{spec: &s, driver: driver, limits: defaultLimits(), progress: func(Progress) {}, cell: new(result.Cell)}}
	if err := r.prepare(); err != nil {
		return nil, err
	}
	if err := r.open(ctx, "open"); err != nil {
		return nil, err
	}
	if err := r.start(ctx); err != nil {
		return nil, errors.Join(err, r.engine.Close())
	}
	return &Sliced{r: r}, nil
}

// Slice renews for lead, which is not counted, and then for length. It returns
// the median time of the counted renewals, in ns, and their number, which is one
// at least. What is not a renewal that succeeded is an error.
func (s *Sliced) Slice(lead, length time.Duration) (p50Ns float64, n int, err error) {
	w := s.r.workers[0]
	b := w.batch
	s.took = s.took[:0]
	now := w.clock.Now()
	counted := now + int64(lead)
	for end := counted + int64(length); now < end || len(s.took) == 0; {
		if b.next == 0 {
			w.next.Fill(b.requests[:])
		}
		first, began := b.next, w.clock.Now()
		var last int
		now, last = b.runTimed(w, first, began)
		b.settle(w, first, last, began)
		b.next = (last + 1) % batchSize
		for i := first; i <= last; i++ {
			if b.kind[i] != renewed {
				return 0, 0, s.failure(b.kind[i])
			}
			if began >= counted {
				s.took = append(s.took, b.ended[i]-began)
			}
			began = b.ended[i]
		}
	}
	slices.Sort(s.took)
	return float64(s.took[len(s.took)/2]), len(s.took), nil
}

func (s *Sliced) failure(k record.Kind) error {
	if err := s.r.firstError(); err != nil {
		return err
	}
	return fmt.Errorf("%s %s where a renewal was to succeed", workloads.OpNames()[k.Op()], k.Outcome())
}

// Close closes the engine, opens the store again, and compares every lease with
// what was acknowledged.
func (s *Sliced) Close(ctx context.Context) error {
	err := s.r.closeAndCompare(ctx)
	s.r.arena.Release()
	return err
}
