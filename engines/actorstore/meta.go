package actorstore

import (
	"errors"
	"io/fs"
	"path"

	"orbitbench/engines/internal/index"
	"orbitbench/engines/internal/meta"
	"orbitbench/engines/internal/vfs"
)

// metaFormat is what META says of an actor store; package meta has its bytes.
var metaFormat = meta.Format{Magic: "OBACTORS", Number: 1, Shape: index.Stripes, ShapeName: "stripes"}

// leftovers names a file in dir that only a store has, or "".
func leftovers(fsys vfs.FS, dir string) (string, error) {
	names, err := fsys.ReadDir(dir)
	if err != nil {
		return "", err
	}
	for _, n := range names {
		if _, ok := checkpoints.Start(n); ok {
			return n, nil
		}
	}
	names, err = fsys.ReadDir(path.Join(dir, logName))
	if errors.Is(err, fs.ErrNotExist) || err == nil && len(names) == 0 {
		return "", nil
	}
	return logName, err
}

// readMeta returns the META of a closed store.
func readMeta(fsys vfs.FS, dir string) (meta.Meta, error) {
	return meta.ReadStore(metaFormat, fsys, dir, func() (string, error) { return leftovers(fsys, dir) })
}
