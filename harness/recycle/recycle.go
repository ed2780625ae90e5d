// Package recycle sees from outside whether an engine uses the files of its log
// again. Until it does, every write to the log makes a file grow, which costs
// the file system a commit of its own; after that an engine that recycles is as
// fast as it stays. So a measurement begins when it is seen.
package recycle

import (
	"io/fs"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// Watch sees that files of a log are used again: one known under one name turns
// up under another, or more was logged than all files together can hold. A file
// that was used again while the log still grew (Pebble's first memtables, and
// logs, are small) does not count: it must be about as long as the longest, or it
// will grow again. Contents are not looked at.
type Watch struct {
	dir    string
	logged func() uint64 // bytes handed to the log so far
	before uint64        // logged when the watch began
	names  map[fileID]string
	sizes  map[fileID]int64 // of every file seen, the largest
}

// fileID tells a renamed file from a new one that was given a freed inode.
type fileID struct {
	inode uint64
	born  unix.StatxTimestamp
}

// New begins to watch the files of a store in dir, whose engine counts with
// logged what it has handed to its log.
func New(dir string, logged func() uint64) *Watch {
	w := &Watch{dir: dir, logged: logged, before: logged(), names: map[fileID]string{}, sizes: map[fileID]int64{}}
	w.Seen()
	return w
}

// IsLog reports whether a file is part of a log by its name: Pebble and RocksDB
// write *.log, the in-house engines *.wal.
func IsLog(name string) bool {
	return strings.HasSuffix(name, ".log") || strings.HasSuffix(name, ".wal")
}

// Seen looks at the directory and reports whether files have been used again.
// It must be called before a file can come and go unseen. A file that cannot be
// looked at, because it is just being removed, is left out.
func (w *Watch) Seen() bool {
	renamed, longest := int64(0), int64(0)
	live := map[fileID]string{}
	_ = filepath.WalkDir(w.dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !IsLog(d.Name()) {
			return nil
		}
		var st unix.Statx_t
		if unix.Statx(unix.AT_FDCWD, path, 0, unix.STATX_INO|unix.STATX_BTIME|unix.STATX_SIZE, &st) != nil {
			return nil
		}
		id := fileID{st.Ino, st.Btime}
		live[id] = path
		w.sizes[id] = max(w.sizes[id], int64(st.Size))
		if old, known := w.names[id]; known && old != path {
			renamed = max(renamed, w.sizes[id])
		}
		return nil
	})
	w.names = live
	room := int64(0)
	for _, size := range w.sizes {
		room, longest = room+size, max(longest, size)
	}
	return renamed > longest*3/4 || room > 0 && int64(w.logged()-w.before) > room
}
