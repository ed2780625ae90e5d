// Package filetree copies a store's directory, and reads it into the page cache.
package filetree

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// Copy copies the files under from to a new directory. Each is a reflink where
// the file system has it: reflinks reports whether all of them are.
func Copy(ctx context.Context, from, to string) (reflinks bool, err error) {
	reflinks = true
	err = filepath.WalkDir(from, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		rel, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		target := filepath.Join(to, rel)
		switch {
		case e.IsDir():
			return os.Mkdir(target, 0o755)
		case e.Type().IsRegular():
			linked, err := copyFile(path, target)
			reflinks = reflinks && linked
			return err
		}
		return fmt.Errorf("copy %s: it is neither a file nor a directory", path)
	})
	return reflinks, err
}

func copyFile(from, to string) (reflink bool, err error) {
	src, err := os.Open(from)
	if err != nil {
		return false, err
	}
	defer src.Close() // read only: nothing to lose
	info, err := src.Stat()
	if err != nil {
		return false, err
	}
	dst, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, info.Mode().Perm())
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, dst.Close()) }()
	if unix.IoctlFileClone(int(dst.Fd()), int(src.Fd())) == nil {
		return true, nil
	}
	_, err = io.Copy(dst, src)
	return false, err
}

// Read reads every file under dir, so that it is in the page cache.
func Read(ctx context.Context, dir string) error {
	buf := make([]byte, 1<<20)
	return filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() {
			return errors.Join(err, ctx.Err())
		}
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		defer f.Close() // read only: nothing to lose
		for {
			if _, err := f.Read(buf); err == io.EOF {
				return ctx.Err()
			} else if err != nil {
				return err
			}
		}
	})
}
