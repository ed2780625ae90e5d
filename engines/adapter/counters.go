package adapter

import (
	"errors"
	"sync"
	"sync/atomic"

	"orbitbench/engines"
)

// Counters count the outcomes of commits and keep the latest Stats, which an
// engine goes on to return when its store can no longer be asked. The zero
// value is ready.
type Counters struct {
	commits, conflicts atomic.Uint64

	mu   sync.Mutex
	last engines.Stats // guarded by mu; what Stats returned last
}

// Commit counts a commit.
func (c *Counters) Commit() { c.commits.Add(1) }

// Commits returns the commits counted so far.
func (c *Counters) Commits() uint64 { return c.commits.Load() }

// Outcome counts what came of a batch or a renewal, and returns err as it is.
func (c *Counters) Outcome(err error) error {
	switch {
	case err == nil:
		c.commits.Add(1)
	case errors.Is(err, engines.ErrConflict):
		c.conflicts.Add(1)
	}
	return err
}

// Stats returns read's answer with the counts, or, when g lets nobody into the
// store any more, the answer before.
func (c *Counters) Stats(g *Gate, read func() engines.Stats) engines.Stats {
	if g.Enter() == nil {
		defer g.Leave()
		return c.Keep(read())
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.last
}

// Keep adds the counts to s and remembers it; Close calls it before the store ends.
func (c *Counters) Keep(s engines.Stats) engines.Stats {
	s.Commits, s.Conflicts = c.commits.Load(), c.conflicts.Load()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.last = s
	return s
}
