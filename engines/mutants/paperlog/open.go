package paperlog

import (
	"errors"
	"io/fs"
	"os"
	"strings"

	"orbitbench/engines"
	"orbitbench/engines/adapter"
)

// open loads the store, or makes a new one, and starts what runs in the background.
func (e *engine) open() error {
	l, err := e.load()
	if errors.Is(err, fs.ErrNotExist) {
		l, err = e.create()
	} else if err == nil {
		// What an Open that was killed did may not be durable yet.
		if err = e.syncNames(); err == nil {
			e.log, err = openJournal(e.files, l, e.config.Mapped)
		}
	}
	if err != nil {
		return adapter.MapError(err)
	}
	if err := e.sweep(); err != nil {
		return errors.Join(err, e.log.close())
	}
	e.live, e.state, e.closedAt, e.cutAt = l.live, l.state, l.synced, e.config.LogBytes
	e.stats.ReplayedRecords = l.replayed
	if e.flaw == VersionReset {
		l.state = adapter.VersionState{}
	}
	e.versions = adapter.NewVersions(l.state, e.config.VersionStride, e.persist)
	switch d := e.options.Durability; {
	case d.Class == engines.Interval:
		e.flusher = adapter.NewFlusher(d.Window, e.syncLog)
	case d.Class == engines.Sync && e.flaw == AckEarly:
		e.late = newLateSyncer(e.syncLog)
	}
	return nil
}

// create makes an empty store durable.
func (e *engine) create() (*loaded, error) {
	l := &loaded{generation: 1}
	for ks := range l.live {
		l.live[ks] = make(map[string]record)
	}
	j, err := createJournal(e.files, 1, 0, e.config.Mapped)
	if err != nil {
		return nil, err
	}
	err = e.syncNames()
	if err == nil {
		_, err = e.setCurrent(1, 0)
	}
	if err != nil {
		return nil, errors.Join(err, j.close())
	}
	e.log = j
	return l, nil
}

// sweep removes what a checkpoint that did not come to its end has left.
func (e *engine) sweep() error {
	entries, err := os.ReadDir(e.dir)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		name := entry.Name()
		ours := strings.HasSuffix(name, ".tmp") || strings.HasPrefix(name, "log-") || strings.HasPrefix(name, "snapshot-")
		if !ours || name == logName(e.log.generation) || name == snapshotName(e.log.generation) {
			continue
		}
		if err := os.Remove(e.path(name)); err != nil {
			return err
		}
	}
	return nil
}

// lateSyncer syncs after the fact, which is the flaw AckEarly.
type lateSyncer struct {
	kick chan struct{} // closed by end
	done chan struct{} // closed when the goroutine has ended
}

func newLateSyncer(sync func() error) *lateSyncer {
	s := &lateSyncer{kick: make(chan struct{}, 1), done: make(chan struct{})}
	go func() {
		defer close(s.done)
		for range s.kick {
			if sync() != nil { // the gate has it
				return
			}
		}
	}()
	return s
}

// wake asks for a sync. The caller holds the engine's lock, so that end is not called meanwhile.
func (s *lateSyncer) wake() {
	select {
	case s.kick <- struct{}{}:
	default:
	}
}

func (s *lateSyncer) end() {
	close(s.kick)
	<-s.done
}
