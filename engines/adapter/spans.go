package adapter

import (
	"sync"
	"time"

	"orbitbench/engines"
)

// maxSpans is the most that Spanner returns.
const maxSpans = 4096

// Spans remembers the latest pieces of background work. The zero value is empty.
type Spans struct {
	mu   sync.Mutex
	ring []spanOf // guarded by mu; oldest first
}

type spanOf struct {
	id int
	engines.Span
}

// Begin notes that work id (unique among running work of one kind) has begun.
func (s *Spans) Begin(kind string, id int, at time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.ring) == maxSpans {
		s.ring = append(s.ring[:0], s.ring[maxSpans/4:]...) // drop a quarter at a time
	}
	s.ring = append(s.ring, spanOf{id, engines.Span{Kind: kind, Begin: at}})
}

// End notes that work id has ended and how many bytes it wrote. Work that was
// never begun, or is no longer remembered, is ignored.
func (s *Spans) End(kind string, id int, at time.Time, bytes uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := len(s.ring) - 1; i >= 0; i-- {
		if p := &s.ring[i]; p.id == id && p.Kind == kind && p.Span.End.IsZero() {
			p.Span.End, p.Bytes = at, bytes
			return
		}
	}
}

// List returns a copy, oldest first.
func (s *Spans) List() []engines.Span {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := make([]engines.Span, len(s.ring))
	for i := range s.ring {
		list[i] = s.ring[i].Span
	}
	return list
}
