package crash

import (
	"context"
	"math/rand/v2"

	"orbitbench/harness/crash/record"
)

// recorderBed is a recorder of files, which refuses what it is told to.
type recorder struct{ record.FileStage }

func recorderAvailable() error { return record.Available("file") }

func newRecorderBed(ctx context.Context, base string) (bed, error) {
	s, err := record.NewFileStage(ctx, base, record.Posix)
	if err != nil {
		return nil, err
	}
	return &recorder{s}, nil
}

func (r *recorder) dir() string  { return r.Dir() }
func (r *recorder) now() uint64  { return r.Now() }
func (r *recorder) struck() bool { return r.Faulted() > 0 }
func (r *recorder) close() error { return r.Close() }

func (r *recorder) hurt(a ailment, rng *rand.Rand) error {
	r.SetFault(&record.Fault{Op: a.op, Errno: a.errno, Short: a.short, Once: a.once, After: rng.IntN(4)})
	return nil
}

func (r *recorder) heal() error {
	r.SetFault(nil)
	return nil
}
