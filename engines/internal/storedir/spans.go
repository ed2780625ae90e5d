package storedir

import (
	"slices"
	"sync"
	"time"

	"orbitbench/engines"
)

// maxSpans is the most that engines.Spanner returns.
const maxSpans = 4096

// Spans keeps the latest pieces of background work. The zero value is empty.
// Its methods are safe for concurrent use.
type Spans struct {
	mu   sync.Mutex
	list []engines.Span // guarded by mu; in the order in which they began
}

// Add notes a piece of work that has ended.
func (s *Spans) Add(kind string, begin, end time.Time, bytes uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.list) == maxSpans {
		s.list = append(s.list[:0], s.list[maxSpans/2:]...)
	}
	// They come when they end; the list is in the order in which they began.
	at := len(s.list)
	for at > 0 && s.list[at-1].Begin.After(begin) {
		at--
	}
	s.list = slices.Insert(s.list, at, engines.Span{Kind: kind, Begin: begin, End: end, Bytes: bytes})
}

// List returns a copy, oldest first: engines.Spanner.
func (s *Spans) List() []engines.Span {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.list)
}
