package runner

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"orbitbench/harness/result"
)

// PlanFile is the plan in full, beside run.json; `run --plan` reads it too.
const PlanFile = "plan.toml"

// UsageError is an error in what was asked for, found before anything ran.
type UsageError struct{ Err error }

// Error is the error's own text.
func (e *UsageError) Error() string { return e.Err.Error() }

// Unwrap returns the error itself.
func (e *UsageError) Unwrap() error { return e.Err }

func usagef(format string, args ...any) error { return &UsageError{fmt.Errorf(format, args...)} }

// checkOut refuses an output directory that holds anything.
func checkOut(dir string) error {
	entries, err := os.ReadDir(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return usagef("output directory: %w", err)
	case len(entries) == 0:
		return nil
	}
	if _, err := os.Stat(filepath.Join(dir, result.RunFile)); err == nil {
		return usagef("output directory %s holds a run already: want a new or empty one, or `orbitbench resume %s`", dir, dir)
	}
	return usagef("output directory %s holds something else (%s): want a new or empty one", dir, entries[0].Name())
}

// checkApart refuses a data directory that is the output directory or lies in it.
func checkApart(out, data string) error {
	if data == out || strings.HasPrefix(data, out+string(filepath.Separator)) {
		return usagef("data directory %s lies in the output directory %s: want one apart from it", data, out)
	}
	return nil
}

// dataPrefix starts the name of the directory that a run makes in the data directory.
const dataPrefix = "orbitbench-data-"

// ownerFile marks a directory as made by a run, so that another may remove it.
const ownerFile = "owner.json"

type owner struct {
	PID  int      `json:"pid"`
	Keep bool     `json:"keep"` // --keep-data: not to be removed
	Made []string `json:"made"` // parents made for it, deepest first
}

// runData is where a run has its data.
type runData struct {
	dir        string
	made       []string // parents that had to be made, to be removed again if they end up empty
	occupation *Occupation
}

// makeData makes a directory for this run's data. What it returns is to be ended, also beside an error.
func makeData(parent string, keep bool) (d runData, err error) {
	for p := parent; ; p = filepath.Dir(p) {
		if _, err := os.Stat(p); err == nil || p == filepath.Dir(p) {
			break
		}
		d.made = append(d.made, p)
	}
	if err := os.MkdirAll(parent, 0o755); err != nil {
		return runData{}, err
	}
	if d.occupation, err = Occupy(parent, nil); err != nil {
		return d, err
	}
	if d.dir, err = os.MkdirTemp(parent, dataPrefix); err != nil {
		return d, err
	}
	raw, err := json.Marshal(owner{os.Getpid(), keep, d.made})
	if err != nil {
		return d, err
	}
	return d, os.WriteFile(filepath.Join(d.dir, ownerFile), raw, 0o644)
}

// end removes the data, unless it is to be kept.
func (d runData) end(keep bool) (err error) {
	if d.dir != "" && !keep {
		err = removeData(d.dir, d.made)
	}
	return errors.Join(err, d.occupation.End())
}

// removeData removes a run's data and the parents that makeData made, if
// nothing else lies in them.
func removeData(dir string, made []string) error {
	err := os.RemoveAll(dir)
	for _, p := range made {
		if os.Remove(p) != nil {
			break // not empty: it holds somebody else's data by now
		}
	}
	return err
}

// removeLeftovers removes the data of runs that were killed, unless a live run
// has data there. Data that was to be kept stays.
func removeLeftovers(parent string) (removed []string, err error) {
	o, err := Occupy(parent, func() (err error) {
		removed, err = removeDead(parent)
		return err
	})
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil // no data directory, no leftovers
	}
	return removed, errors.Join(err, o.End())
}

// removeDead does it in a directory where no run is alive.
func removeDead(parent string) (removed []string, err error) {
	entries, err := os.ReadDir(parent)
	if err != nil {
		return nil, err
	}
	var failures []error
	for _, e := range entries {
		dir := filepath.Join(parent, e.Name())
		if !e.IsDir() || !strings.HasPrefix(e.Name(), dataPrefix) {
			continue
		}
		var o owner
		raw, err := os.ReadFile(filepath.Join(dir, ownerFile))
		if err != nil || json.Unmarshal(raw, &o) != nil || o.Keep {
			continue // not ours to remove
		}
		if err := removeData(dir, o.Made); err != nil {
			failures = append(failures, err)
			continue
		}
		removed = append(removed, dir)
	}
	return removed, errors.Join(failures...)
}

// removeTemporaries removes what a writer of result files left when it was killed.
func removeTemporaries(dir string) error {
	var failures []error
	for _, pattern := range []string{"." + result.RunFile + ".*", filepath.Join(result.CellDir, ".*.json.*")} {
		names, err := filepath.Glob(filepath.Join(globEscape(dir), pattern))
		failures = append(failures, err)
		for _, name := range names {
			failures = append(failures, os.Remove(name))
		}
	}
	return errors.Join(failures...)
}

var globEscape = strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace

// shellLine joins a command line for people.
func shellLine(args []string) string {
	quoted := make([]string, len(args))
	for i, a := range args {
		quoted[i] = a
		if a == "" || strings.ContainsAny(a, " \t\n\"'\\$&|;<>()*?[]#~`!{}") {
			quoted[i] = "'" + strings.ReplaceAll(a, "'", `'\''`) + "'"
		}
	}
	return strings.Join(quoted, " ")
}
