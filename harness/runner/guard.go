package runner

import (
	"context"
	"fmt"
	"time"

	"orbitbench/harness/env"
)

// ReserveBytes of the disk stay free: a run must not fill a disk that others use.
const ReserveBytes = 512 << 20

// guardEvery is how often the free space is looked at. At 2 GB/s, faster than
// most disks, half the reserve goes by between two looks.
const guardEvery = 125 * time.Millisecond

// room refuses a cell that may not fit on the disk.
func (o *Options) room(dir string, need uint64) error {
	free, err := o.free(dir)
	if err != nil {
		return fmt.Errorf("free disk space: %w", err)
	}
	if free < need+ReserveBytes {
		return fmt.Errorf("not enough disk: the cell may need %d MiB and %d MiB stay in reserve, %d MiB are free in %s",
			need>>20, ReserveBytes>>20, free>>20, dir)
	}
	return nil
}

// guard cancels the cell when the disk runs full. It returns when ctx ends.
func (o *Options) guard(ctx context.Context, dir string, cancel context.CancelCauseFunc) {
	tick := time.NewTicker(guardEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			free, err := o.free(dir)
			if err != nil {
				cancel(fmt.Errorf("free disk space: %w", err))
				return
			}
			if free < ReserveBytes {
				cancel(fmt.Errorf("disk nearly full: %d MiB free in %s, %d MiB stay in reserve", free>>20, dir, ReserveBytes>>20))
				return
			}
		}
	}
}

func (o *Options) free(dir string) (uint64, error) {
	if o.FreeBytes != nil {
		return o.FreeBytes(dir)
	}
	return env.FreeBytes(dir)
}
