package wal

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"
)

// roundSegments is how many segments a round has for each worker: some, so that none waits long for
// the others, and not all, so that what was dealt out stays within bounds.
const roundSegments = 8

// readRounds walks the list with several workers, some segments at a time, and says
// after each round how far what was read is the log: segments of the classes that
// do not order their writes may lie behind a hole.
func (r *recovery) readRounds(ctx context.Context, list []*found) error {
	workers := max(1, min(r.workers, len(list)))
	bufs := make([]chunks, workers)
	var before *found
	whole := true
	for begin := 0; begin < len(list) && whole; begin += roundSegments * workers {
		batch := list[begin:min(begin+roundSegments*workers, len(list))]
		if err := r.readBatch(ctx, batch, bufs); err != nil {
			return err
		}
		valid := LSN(0)
		for _, f := range batch {
			if before != nil && !before.leadsTo(f) {
				whole = false
				break
			}
			before, valid = f, max(f.walk.next, 1)-1
		}
		if before != nil && !before.walk.sealed {
			whole = false // what comes later is no part of the log, or it is damaged
		}
		if err := r.round(max(valid, r.from)); err != nil {
			return err
		}
	}
	if len(list) == 0 {
		return r.round(r.from)
	}
	return r.lookAt(ctx, list)
}

// readBatch walks some segments on as many goroutines as there are buffers. The last ones come first:
// they are likely to have renewals, which are short and take longer for their bytes, and the shorter
// the walks at the end are the better they are shared.
func (r *recovery) readBatch(ctx context.Context, batch []*found, bufs []chunks) error {
	var turn atomic.Int64
	errs := make([]error, len(bufs))
	var wg sync.WaitGroup
	for w := range bufs {
		wg.Go(func() {
			for errs[w] == nil {
				i := len(batch) - int(turn.Add(1))
				if i < 0 {
					return
				}
				f := batch[i]
				errs[w] = r.readSegment(ctx, w, f, nil, &bufs[w])
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

// leadsTo reports whether g, which has been walked, goes on where f ends. Where g has no
// record its place is taken from its epoch.
func (f *found) leadsTo(g *found) bool {
	if !f.walk.sealed || f.walk.epoch != g.head.epoch {
		return false
	}
	if g.walk.known {
		return g.walk.base+1 == f.walk.next
	}
	g.walk.next = f.walk.next
	return true
}

// progress tells how far a long replay is.
type progress struct {
	logf  func(format string, args ...any)
	total int64
	read  atomic.Int64 // bytes of segments that are done
	told  atomic.Int64 // ns since begin when it was told last
	begin time.Time
}

// tellEvery is the time between two messages.
const tellEvery = time.Second

// tell is called now and then by whoever replays a segment and is at offset off of it.
func (p *progress) tell(off int64) {
	if p.logf == nil {
		return
	}
	now, last := int64(time.Since(p.begin)), p.told.Load()
	if now-last >= int64(tellEvery) && p.told.CompareAndSwap(last, now) {
		p.logf("log: replaying %.1f of %.1f GB", float64(p.read.Load()+off)/1e9, float64(p.total)/1e9)
	}
}

func (p *progress) done(bytes int64) { p.read.Add(bytes) }
