package restore

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"orbitbench/engines"
)

// copyAndRename makes the target of a full staging directory.
func (o *Options) copyAndRename(ctx context.Context, staging string, r *Report) error {
	if err := o.copyTree(ctx, staging, "copy", r); err != nil {
		return err
	}
	if r.Files == 0 {
		return fmt.Errorf("the snapshot: %s holds no files", o.From)
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	// rename(2) replaces an empty directory, and nothing else; os.Rename replaces none.
	if err := syscall.Rename(staging, filepath.Clean(o.To)); err != nil {
		if errors.Is(err, syscall.ENOTEMPTY) || errors.Is(err, syscall.ENOTDIR) || errors.Is(err, fs.ErrExist) {
			return fmt.Errorf("%w: %s came to be meanwhile", ErrTarget, o.To)
		}
		return &os.LinkError{Op: "rename", Old: staging, New: o.To, Err: err}
	}
	return syncDir(filepath.Dir(filepath.Clean(o.To)))
}

// copyTree copies every file of the snapshot into dir, which exists. Files and
// directories are durable when it returns nil.
func (o *Options) copyTree(ctx context.Context, dir, stage string, r *Report) error {
	total, err := size(o.From)
	if err != nil {
		return fmt.Errorf("the snapshot: %w", err)
	}
	c := &copier{ctx: ctx, buffer: make([]byte, 1<<20), report: r, tell: func() { o.Progress(stage, r.Bytes, total) }}
	var dirs []string
	err = filepath.WalkDir(o.From, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(o.From, path)
		if err != nil {
			return err
		}
		to := filepath.Join(dir, rel)
		switch {
		case entry.IsDir():
			dirs = append(dirs, to)
			if rel == "." {
				return nil
			}
			return os.Mkdir(to, 0o755)
		case entry.Type().IsRegular():
			return c.file(path, to)
		}
		return fmt.Errorf("the snapshot: %s is no regular file", path)
	})
	if err != nil {
		return full(err)
	}
	for i := len(dirs) - 1; i >= 0; i-- { // those within before those around them
		if err := syncDir(dirs[i]); err != nil {
			return full(err)
		}
	}
	return nil
}

// full gives an error of the system the contract's name where it has one.
func full(err error) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return fmt.Errorf("%w: %w", engines.ErrFull, err)
	}
	return err
}

func size(dir string) (total int64, err error) {
	err = filepath.WalkDir(dir, func(_ string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		info, err := entry.Info()
		if err == nil {
			total += info.Size()
		}
		return err
	})
	return total, err
}

// copier copies files with one buffer.
type copier struct {
	ctx    context.Context
	buffer []byte
	report *Report
	tell   func()
}

// file copies one file and syncs the copy.
func (c *copier) file(from, to string) (err error) {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close() // of a file that was only read
	info, err := in.Stat()
	if err != nil {
		return err
	}
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, info.Mode().Perm()|0o600)
	if err != nil {
		return err
	}
	if err = c.contents(out, in); err == nil {
		err = out.Sync()
	}
	if err := errors.Join(err, out.Close()); err != nil {
		return err
	}
	c.report.Files++
	return nil
}

func (c *copier) contents(out io.Writer, in io.Reader) error {
	for {
		if err := c.ctx.Err(); err != nil {
			return err
		}
		n, err := in.Read(c.buffer)
		if n > 0 {
			if _, err := out.Write(c.buffer[:n]); err != nil {
				return err
			}
			c.report.Bytes += int64(n)
			c.tell()
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
