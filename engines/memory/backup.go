package memory

import (
	"bufio"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"orbitbench/engines"
)

// backups is the goroutine that writes a backup now and then.
type backups struct {
	stop chan struct{} // closed by Close; nil when backups are off
	done chan struct{} // closed by the goroutine
}

func (e *Engine) startBackups(every time.Duration) {
	e.backups = backups{stop: make(chan struct{}), done: make(chan struct{})}
	go func() {
		defer close(e.backups.done)
		tick := time.NewTicker(every)
		defer tick.Stop()
		for {
			select {
			case <-e.backups.stop:
				return
			case <-tick.C:
			}
			v := e.newView()
			// A backup that fails costs nothing that was promised; the next one may succeed.
			if err := errors.Join(e.writeBackup(context.Background(), v, e.config.backupFile(e.home.dir), 0), v.Close()); err != nil {
				e.log("backup: %v", err)
			}
		}
	}()
}

// Snapshot writes a copy of the store into dir; see engines.Snapshotter. To
// open it, leave backup_path at its default.
func (e *Engine) Snapshot(ctx context.Context, dir string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := e.enter(); err != nil {
		return err
	}
	defer e.life.RUnlock()
	if err := makeEmpty(dir); err != nil {
		return fmt.Errorf("memory: snapshot: %w", err)
	}
	v := e.newView()
	err := e.writeBackup(ctx, v, filepath.Join(dir, backupName), flagComplete)
	if err == nil {
		err = writeGeneration(dir, e.home.generation)
	}
	if err == nil {
		err = syncDir(filepath.Dir(dir))
	}
	if err = errors.Join(err, v.Close()); err != nil {
		return fmt.Errorf("memory: snapshot: %w", err)
	}
	return nil
}

// makeEmpty creates dir, or accepts it if it is empty.
func makeEmpty(dir string) error {
	err := os.Mkdir(dir, 0o755)
	if !errors.Is(err, fs.ErrExist) {
		return err
	}
	names, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	if len(names) > 0 {
		return fmt.Errorf("%w: %s is not empty", engines.ErrInvalid, dir)
	}
	return nil
}

// writeBackup writes the state of v to a file, durably.
func (e *Engine) writeBackup(ctx context.Context, v *view, name string, flags uint32) error {
	if e.config.Compression == "gzip" {
		flags |= flagGzip
	}
	var size int64
	err := writeFile(name, func(f *os.File) error {
		out := bufio.NewWriterSize(f, 1<<16)
		if _, err := out.Write(header{flags, e.home.generation}.append(nil)); err != nil {
			return err
		}
		if err := writeBody(ctx, v, out, flags); err != nil {
			return err
		}
		if err := out.Flush(); err != nil {
			return err
		}
		st, err := f.Stat()
		if err == nil {
			size = st.Size()
		}
		return err
	})
	if err != nil {
		return err
	}
	e.backupBytes.Add(uint64(size))
	e.backupCount.Add(1)
	return nil
}

func writeBody(ctx context.Context, v *view, out io.Writer, flags uint32) error {
	var zip *gzip.Writer
	if flags&flagGzip != 0 {
		zip = gzip.NewWriter(out)
		out = zip
	}
	enc := newEncoder(out)
	for _, ks := range engines.AllKeyspaces() {
		err := v.Scan(ctx, ks, nil, nil, func(key, value []byte, version engines.Version) error {
			return enc.record(record{ks: ks, version: version, key: key, value: value})
		})
		if err != nil {
			return err
		}
	}
	if err := enc.end(); err != nil {
		return err
	}
	if zip != nil {
		return zip.Close()
	}
	return nil
}

// restore fills a new engine from the backup in its directory, if there is one.
func (e *Engine) restore() error {
	name := e.config.backupFile(e.home.dir)
	f, err := os.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	n, pos, err := e.restoreFrom(f)
	e.restored = n
	if err == nil || errors.Is(err, engines.ErrFull) {
		return errors.Join(err, f.Close())
	}
	return errors.Join(&engines.CorruptError{File: name, Offset: pos, Reason: err.Error()}, f.Close())
}

// restoreFrom returns the number of records and, with an error, the place of the damage.
func (e *Engine) restoreFrom(f io.Reader) (count uint64, pos int64, err error) {
	in := bufio.NewReaderSize(f, 1<<16)
	head := make([]byte, headerBytes)
	n, err := io.ReadFull(in, head)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return 0, 0, err
	}
	h, err := parseHeader(head[:n])
	if err != nil {
		return 0, 0, err
	}
	body := io.Reader(in)
	if h.flags&flagGzip != 0 {
		if body, err = gzip.NewReader(in); err != nil {
			return 0, headerBytes, err
		}
	}
	// Versions are only kept if nothing can have been granted after the backup.
	exact := h.flags&flagComplete != 0 && h.generation == e.home.previous
	d := newDecoder(body)
	for {
		start := d.pos
		r, err := d.next()
		if err == io.EOF {
			return d.count, 0, nil
		}
		if err == nil {
			err = e.put(r, exact)
		}
		if err != nil {
			if h.flags&flagGzip != 0 {
				return d.count, -1, err // a place in the unpacked body says little about the file
			}
			return d.count, headerBytes + start, err
		}
	}
}

// put adds one restored record.
func (e *Engine) put(r record, exact bool) error {
	if n := e.records.Add(1); e.config.MaxEntries > 0 && n > e.config.MaxEntries {
		return errFull(n, e.config.MaxEntries)
	}
	s := &e.stripes[e.stripeOf(r.key)]
	version := r.version
	if !exact {
		version = s.floor + 1
	}
	key := string(r.key)
	s.maps[r.ks][key] = &entry{version: version, value: append([]byte(nil), r.value...)}
	s.bytes += uint64(len(r.key) + len(r.value))
	e.orders[r.ks].insert(key)
	return nil
}

// Close waits for running calls, writes the backup if there is one, and
// releases the directory; see engines.Engine.
func (e *Engine) Close() error {
	e.life.Lock()
	if e.closed {
		e.life.Unlock()
		return engines.ErrClosed
	}
	e.closed = true
	e.life.Unlock()

	if e.backups.stop != nil {
		close(e.backups.stop)
		<-e.backups.done
	}
	set := allStripes
	e.lock(&set)
	for i := range e.stripes {
		e.stripes[i].closed = true
	}
	e.unlock(&set)
	var err error
	if e.config.EnableDiskBackup {
		// Nothing changes any more, so the view is the final state.
		v := e.newView()
		err = errors.Join(e.writeBackup(context.Background(), v, e.config.backupFile(e.home.dir), flagComplete), v.Close())
	}
	e.home.release(e.log)
	if err != nil {
		return fmt.Errorf("memory: backup at close: %w", err)
	}
	return nil
}
