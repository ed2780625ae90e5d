package wal

import (
	"context"
	"errors"
	"time"

	"orbitbench/engines"
)

// Upkeep is the background work of a store, until ctx ends or the store has failed: a
// checkpoint when wants asks for one, because the log has grown, and syncs of
// the log by the clock (Options.SyncEvery). A checkpoint that failed is tried again
// after a second; engines.ErrFailed means that the store has.
func (l *Log) Upkeep(ctx context.Context, wants func() bool, checkpoint func(context.Context) error) {
	const poll = 50 * time.Millisecond
	tick := time.NewTicker(poll)
	defer tick.Stop()
	lastSync := time.Now()
	var retry time.Time
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if every := l.o.SyncEvery; every > 0 && time.Since(lastSync) >= every {
			lastSync = time.Now()
			if err := l.Sync(); err != nil {
				l.o.Logf("log %s: %v", l.o.Dir, err)
				return
			}
		}
		if !wants() || time.Now().Before(retry) {
			continue
		}
		err := checkpoint(ctx)
		if errors.Is(err, engines.ErrFailed) {
			return
		}
		if err != nil && ctx.Err() == nil {
			l.o.Logf("log %s: checkpoint: %v; the log is kept", l.o.Dir, err)
			retry = time.Now().Add(time.Second)
		}
	}
}
