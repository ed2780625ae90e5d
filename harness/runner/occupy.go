package runner

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// Occupation keeps other runs from taking what lies in a data directory for
// the leavings of a killed run. The machine's lock does that for runs that
// share it; this one is for those with a lock file of their own.
type Occupation struct{ dir *os.File }

// Occupy makes a run one of those that have data in a directory. If no live
// run was there, clean, if there is one, is called first, while none can come.
// The kernel ends the occupation when the process ends, however that happens.
func Occupy(dir string, clean func() error) (*Occupation, error) {
	f, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	if clean != nil {
		err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		switch {
		case err == nil:
			err = clean()
		case errors.Is(err, unix.EWOULDBLOCK):
			err = nil // what is there may be a live run's
		}
	}
	if shared := unix.Flock(int(f.Fd()), unix.LOCK_SH); shared != nil {
		return nil, errors.Join(err, shared, f.Close())
	}
	return &Occupation{f}, err
}

// End ends it. A nil Occupation has none.
func (o *Occupation) End() error {
	if o == nil {
		return nil
	}
	return o.dir.Close()
}
