package crash

import (
	"errors"
	"os"
	"path/filepath"

	"orbitbench/harness/crash/record"
)

// scratchPrefix begins the name of every directory that a run makes for its stores.
const scratchPrefix = "orbitbench-crash-"

// RemoveScratch removes what killed runs left in dir: directories of theirs, with the mounts and
// loop devices in them. Whatever else is there or is mounted there is somebody else's, and so is dir
// itself. No other run may use dir at the time.
func RemoveScratch(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	var errs []error
	for _, e := range entries {
		if ours, _ := filepath.Match(scratchPrefix+"*", e.Name()); ours && e.IsDir() {
			errs = append(errs, record.Clear(filepath.Join(dir, e.Name())))
		}
	}
	return errors.Join(errs...)
}

// MakeScratch makes a directory in dir. The caller removes it.
func MakeScratch(dir, name string) (string, error) {
	return os.MkdirTemp(dir, scratchPrefix+name+"-")
}
