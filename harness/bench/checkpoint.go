package bench

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"orbitbench/engines"
)

// measureCheckpoint gives p two slices, one in which checkpoints follow each
// other without a pause and one in which none is asked for. Which comes first
// changes from round to round. One checkpoint comes before both, so that the
// engine has no reason to make one by itself in the steady slice.
func (b *bench) measureCheckpoint(ctx context.Context, p point, round int) (sample, error) {
	engine := b.competitors[p.competitor()].engine.(engines.Checkpointer) // prepare has seen to it
	completed := 0
	checkpoints := func(over *atomic.Bool) error {
		for completed == 0 || !over.Load() {
			if err := engine.Checkpoint(ctx); err != nil {
				return fmt.Errorf("checkpoint: %w", err)
			}
			completed++
		}
		return nil
	}
	if err := engine.Checkpoint(ctx); err != nil {
		return sample{}, fmt.Errorf("checkpoint: %w", err)
	}
	var steady, during sample
	for i := range 2 {
		if !settle(ctx) && ctx.Err() == nil {
			b.progress("round %d: background work did not end within %v before a slice of %s", round+1, settleLimit, p.name())
		}
		l := b.loop(ctx, p, round)
		out := &steady
		if i == round%2 {
			l.beside, out = checkpoints, &during
		}
		s, err := l.run(ctx)
		if errors.Is(err, context.Canceled) && ctx.Err() != nil {
			return sample{}, ctx.Err()
		}
		if err != nil {
			return sample{}, err
		}
		*out = s
	}
	during.steady, during.checkpoints = &steady, float64(completed)
	return during, nil
}
