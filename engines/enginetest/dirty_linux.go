package enginetest

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// dirtyPages returns how many pages of a file the kernel holds that are not on
// the device yet, those under way included (cachestat(2), Linux 6.5).
func dirtyPages(path string) (uint64, error) {
	f, err := os.Open(path)
	if err != nil {
		return 0, err
	}
	defer f.Close() // of a file that was only read
	var whole unix.CachestatRange
	var stat unix.Cachestat_t
	if err := unix.Cachestat(uint(f.Fd()), &whole, &stat, 0); err != nil {
		return 0, err
	}
	return stat.Dirty + stat.Writeback, nil
}

// seesDirtyPages skips the check unless dirtyPages can tell a file that was
// synced from one that was not, on the file system of dir.
func (s *store) seesDirtyPages(dir string) {
	s.Helper()
	path := filepath.Join(dir, "probe")
	f, err := os.Create(path)
	if err != nil {
		s.Fatalf("%v", err)
	}
	_, err = f.Write(make([]byte, 64<<10))
	before, statErr := dirtyPages(path)
	syncErr := f.Sync()
	after, _ := dirtyPages(path)
	if err := errors.Join(err, syncErr, f.Close(), os.Remove(path)); err != nil {
		s.Fatalf("%v", err)
	}
	if statErr != nil || before == 0 || after != 0 {
		s.Skipf("what is not on the device cannot be seen here: %d pages before a sync, %d after it (%v)", before, after, statErr)
	}
}

// synced checks that the device has everything that is in dir.
func (s *store) synced(what, dir string) {
	s.Helper()
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		n, err := dirtyPages(path)
		if n > 0 {
			s.Errorf("%s: %d pages of %s are not on the device", what, n, filepath.Base(path))
		}
		return err
	})
	if err != nil {
		s.Fatalf("%s: %v", what, err)
	}
}
