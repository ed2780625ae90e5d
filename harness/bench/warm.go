package bench

import (
	"context"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// The bounds of a warm-up.
const (
	warmBytes = 512 << 20 // of records rewritten
	warmTime  = 30 * time.Second
)

// recycles reports whether the engine is known to write faster once it reuses
// the files of its log.
func (c *competitor) recycles() bool {
	return strings.HasPrefix(c.name, "pebble") || judged(c.info)
}

// warm rewrites the records once, and where the engine recycles its log until
// that is seen to happen. It returns a sentence that says what was seen.
func (c *competitor) warm(ctx context.Context) (string, error) {
	begin := time.Now()
	watch := newRecycleWatch(c.dir, func() uint64 { return c.engine.Stats().LogBytes })
	written, seen := 0, false
	batch := loadBatch * (keyBytes + recordBytes)
	perPass := len(c.actors.slots) * (keyBytes + recordBytes)
	enough := func() bool {
		written += batch
		if written%(8<<20) >= batch {
			return false // looking at the directory after each batch would be most of the work
		}
		seen = seen || watch.seen()
		return ctx.Err() != nil || seen && written >= perPass || written >= c.warmBytes || time.Since(begin) > warmTime
	}
	for {
		if err := c.put(ctx, enough); err != nil {
			return "", fmt.Errorf("%s under %s, warming up: %w", c.name, c.dur, err)
		}
		seen = seen || watch.seen()
		if seen || !c.recycles() || written >= c.warmBytes || time.Since(begin) > warmTime {
			break
		}
		if err := ctx.Err(); err != nil {
			return "", err
		}
	}
	what := fmt.Sprintf("rewrote %d MB in %.1f s", written>>20, time.Since(begin).Seconds())
	switch {
	case seen:
		what += "; recycles its log"
	case c.recycles():
		what += "; was not seen to recycle its log"
	}
	return what, ctx.Err()
}

// recycleWatch sees that files of a log are used again: one known under one name
// turns up under another, or more was logged than all files together can hold.
// Contents are not looked at.
type recycleWatch struct {
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

func newRecycleWatch(dir string, logged func() uint64) *recycleWatch {
	w := &recycleWatch{dir: dir, logged: logged, before: logged(), names: map[fileID]string{}, sizes: map[fileID]int64{}}
	w.seen()
	return w
}

// isLog reports whether a file is part of a log by its name: Pebble and RocksDB
// write *.log, the in-house engines *.wal.
func isLog(name string) bool {
	return strings.HasSuffix(name, ".log") || strings.HasSuffix(name, ".wal")
}

// seen looks at the directory and reports whether files have been used again.
// It must be called before a file can come and go unseen. A file that cannot be
// looked at, because it is just being removed, is left out.
func (w *recycleWatch) seen() bool {
	renamed := false
	live := map[fileID]string{}
	_ = filepath.WalkDir(w.dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !isLog(d.Name()) {
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
			renamed = true
		}
		return nil
	})
	w.names = live
	room := int64(0)
	for _, size := range w.sizes {
		room += size
	}
	return renamed || room > 0 && int64(w.logged()-w.before) > room
}
