package bench

import (
	"context"
	"fmt"
	"time"

	"orbitbench/harness/recycle"
)

// The bounds of a warm-up.
const (
	warmBytes = 512 << 20 // of records rewritten
	warmTime  = 30 * time.Second
)

// recycles reports whether the engine is known to write faster once it reuses
// the files of its log.
func (c *competitor) recycles() bool {
	return c.info.RecyclesLog || judged(c.info)
}

// warm rewrites the records once, and where the engine recycles its log until
// that is seen to happen. It returns a sentence that says what was seen.
func (c *competitor) warm(ctx context.Context) (string, error) {
	begin := time.Now()
	watch := recycle.New(c.dir, func() uint64 { return c.engine.Stats().LogBytes })
	written, seen := 0, false
	batch := loadBatch * (keyBytes + recordBytes)
	perPass := len(c.actors.slots) * (keyBytes + recordBytes)
	enough := func() bool {
		written += batch
		if written%(8<<20) >= batch {
			return false // looking at the directory after each batch would be most of the work
		}
		seen = seen || watch.Seen()
		return ctx.Err() != nil || seen && written >= perPass || written >= c.warmBytes || time.Since(begin) > warmTime
	}
	for {
		if err := c.put(ctx, enough); err != nil {
			return "", fmt.Errorf("%s under %s, warming up: %w", c.name, c.dur, err)
		}
		seen = seen || watch.Seen()
		if seen || !c.recycles() || written >= c.warmBytes || time.Since(begin) > warmTime {
			break
		}
		if err := ctx.Err(); err != nil {
			return "", err
		}
	}
	what := fmt.Sprintf("rewrote %d MB in %.1f s", written>>20, time.Since(begin).Seconds())
	switch {
	case seen:
		what += "; recycles its log"
	case c.recycles():
		what += "; was not seen to recycle its log"
	}
	return what, ctx.Err()
}
