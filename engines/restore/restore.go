package restore

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"orbitbench/engines"
)

// Options say what to restore.
type Options struct {
	Driver engines.Driver // of the engine that made the snapshot
	From   string         // directory of the snapshot; it is not changed
	To     string         // directory of the store; its parent must exist
	// Progress may be nil; else it is called now and then with the stage
	// ("verify" or "copy") and bytes or records done and in all (0: not known).
	Progress func(stage string, done, total int64)
}

// Report is what was done.
type Report struct {
	Files    int    `json:"files"`
	Bytes    int64  `json:"bytes"`
	Records  uint64 `json:"records"`  // that the verification saw
	Verified string `json:"verified"` // ByVerifier or ByOpening
}

// How a snapshot was verified.
const (
	ByVerifier = "verifier"
	ByOpening  = "opening a copy"
)

// ErrTarget: the target cannot be restored to; nothing was done.
var ErrTarget = errors.New("cannot restore there")

// Restore makes the store o.To from the snapshot o.From. When it returns nil the
// store is durable; after an error the target is what it was. Errors: ErrTarget,
// engines.ErrCorrupt (a *CorruptError in the snapshot), engines.ErrLocked, those
// of the operating system, ctx.Err().
func Restore(ctx context.Context, o Options) (Report, error) {
	if o.Progress == nil {
		o.Progress = func(string, int64, int64) {}
	}
	var r Report
	if err := o.check(); err != nil {
		return r, err
	}
	if err := o.verify(ctx, &r); err != nil {
		return r, fmt.Errorf("the snapshot: %w", err)
	}
	staging, err := o.beside("restoring")
	if err != nil {
		return r, err
	}
	if err := o.copyAndRename(ctx, staging, &r); err != nil {
		return r, errors.Join(err, os.RemoveAll(staging))
	}
	return r, nil
}

// check refuses what must not be written to, and what is no snapshot.
func (o *Options) check() error {
	from, err := os.Stat(o.From)
	if err != nil {
		return fmt.Errorf("the snapshot: %w", err)
	}
	if !from.IsDir() {
		return fmt.Errorf("the snapshot: %s is no directory", o.From)
	}
	if err := Vacant(o.To); err != nil {
		return err
	}
	abs, err := filepath.Abs(o.To)
	if err != nil {
		return err
	}
	inside, err := filepath.Abs(o.From)
	if err != nil {
		return err
	}
	if strings.HasPrefix(abs+string(filepath.Separator), inside+string(filepath.Separator)) {
		return fmt.Errorf("%w: %s lies within the snapshot", ErrTarget, o.To)
	}
	return nil
}

// Vacant returns an ErrTarget unless dir does not exist, in a parent that does,
// or is an empty directory.
func Vacant(dir string) error {
	entries, err := os.ReadDir(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		parent, err := os.Stat(filepath.Dir(filepath.Clean(dir)))
		if err != nil {
			return fmt.Errorf("%w: %w", ErrTarget, err)
		}
		if !parent.IsDir() {
			return fmt.Errorf("%w: %s is no directory", ErrTarget, filepath.Dir(dir))
		}
		return nil
	case errors.Is(err, syscall.ENOTDIR):
		return fmt.Errorf("%w: %s is no directory", ErrTarget, dir)
	case err != nil:
		return fmt.Errorf("%w: %w", ErrTarget, err)
	case len(entries) > 0:
		return fmt.Errorf("%w: %s is not empty, it holds %s", ErrTarget, dir, entries[0].Name())
	}
	return nil
}

// beside makes a directory next to the target.
func (o *Options) beside(what string) (string, error) {
	to := filepath.Clean(o.To)
	dir, err := os.MkdirTemp(filepath.Dir(to), "."+filepath.Base(to)+"."+what+"-*")
	if err != nil {
		return "", err
	}
	return dir, os.Chmod(dir, 0o755) // as engines make theirs
}

func (o *Options) verify(ctx context.Context, r *Report) (err error) {
	if v, ok := o.Driver.(engines.Verifier); ok {
		r.Verified = ByVerifier
		report, err := v.Verify(ctx, o.From, func(done, total int64) { o.Progress("verify", done, total) })
		r.Records = report.Records
		return err
	}
	r.Verified = ByOpening
	dir, err := o.beside("verifying")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	var ignored Report
	if err := o.copyTree(ctx, dir, "verify", &ignored); err != nil {
		return err
	}
	return o.read(ctx, dir, r)
}

// read opens a copy and reads every record.
func (o *Options) read(ctx context.Context, dir string, r *Report) (err error) {
	e, err := o.Driver.Open(ctx, engines.Options{Dir: dir, Durability: engines.Durability{Class: weakest(o.Driver)}})
	if err != nil {
		return o.inSnapshot(err, dir)
	}
	defer func() { err = errors.Join(err, e.Close()) }()
	for _, ks := range engines.AllKeyspaces() {
		err := e.Scan(ctx, ks, nil, nil, func(_, _ []byte, _ engines.Version) error {
			if r.Records++; r.Records%4096 == 0 {
				o.Progress("verify", int64(r.Records), 0)
			}
			return nil
		})
		if err != nil {
			return o.inSnapshot(err, dir)
		}
	}
	return nil
}

// weakest is a class in which a store can be read at least cost; no window is
// needed, as an engine with class interval only does not exist.
func weakest(d engines.Driver) engines.Class {
	for _, c := range d.Info().Classes {
		if c != engines.Interval {
			return c
		}
	}
	return engines.Sync
}

// inSnapshot makes damage in the copy damage in the snapshot, where it is.
func (o *Options) inSnapshot(err error, dir string) error {
	var c *engines.CorruptError
	if !errors.As(err, &c) {
		return err
	}
	moved := *c
	for _, prefix := range []string{dir, resolved(dir)} {
		if rel, err := filepath.Rel(prefix, c.File); err == nil && filepath.IsLocal(rel) {
			moved.File = filepath.Join(o.From, rel)
			break
		}
	}
	return &moved
}

// resolved is dir without symbolic links, as engines name files.
func resolved(dir string) string {
	if abs, err := filepath.EvalSymlinks(dir); err == nil {
		return abs
	}
	return dir
}
