package image

import (
	"errors"

	"orbitbench/engines/internal/index"
	"orbitbench/engines/internal/pace"
	"orbitbench/engines/internal/snapshot"
	"orbitbench/engines/internal/vfs"
	"orbitbench/engines/internal/wal"
)

// ownChunk is how full a chunk is at the end of a stripe for the next one to begin
// another: a chunk that two share is read for each. Small stripes share theirs.
const ownChunk = 64 << 10

// Source is what an image is made of.
type Source struct {
	Index   *index.Index
	Seed    uint64                  // of the key hash
	View    *index.View             // whose records they are; nil: what readers see
	Shut    bool                    // the caller has shut the index
	Pace    *pace.Pace              // of the reading; that of writes is OnWrite's. nil: no rest
	OnWrite func(n int) error       // is told of every write, and may end it with an error
	End     func() (wal.LSN, error) // called when all records are gathered: makes the log durable and returns its last record; nil: there is no log
}

// Write makes the image name durable and returns its size and its end. Errors:
// those of the index, of Source's functions, engines.ErrFull, those of the file system.
func (f Format) Write(fsys vfs.FS, name string, start wal.LSN, s Source) (bytes int64, upTo wal.LSN, err error) {
	h := head{seed: s.Seed, start: start}
	w, err := snapshot.Create(fsys, name, f.Tag, h.encode(nil), snapshot.Options{OnWrite: s.OnWrite})
	if err != nil {
		return 0, 0, err
	}
	var tail end
	if err := s.records(w, &tail); err != nil {
		return 0, 0, errors.Join(err, w.Abort())
	}
	if err := w.Commit(); err != nil {
		return 0, 0, err
	}
	return w.Bytes(), tail.upTo, nil
}

func (s *Source) records(w *snapshot.Writer, tail *end) error {
	m := s.Index.NewImager()
	for i := range index.Stripes {
		var err error
		if tail.stripes[i], err = m.Gather(i, s.View, s.Shut, s.Pace.Rest); err != nil {
			return err
		}
		err = m.Each(func(tag uint32, block []byte) error {
			if err := w.Append(block); err != nil {
				return err
			}
			if w.Chunk() == len(tail.tags) {
				tail.tags = append(tail.tags, tag)
			}
			return nil
		})
		if err == nil && (w.Pending() >= ownChunk || i == index.Stripes-1) {
			err = w.Cut()
		}
		if err != nil {
			return err
		}
	}
	if s.End != nil {
		var err error
		if tail.upTo, err = s.End(); err != nil {
			return err
		}
	}
	return w.Append(tail.encode(nil))
}
