package arena

// Pocket hands blocks of an arena out to one goroutine, nearly always without the
// arena's lock. It cuts them from runs of its own, each of which begins at a huge page:
// goroutines that touch the same page for the first time would wait for each other.
// Blocks that were freed are used first.
type Pocket struct {
	a          *Arena
	begin, end int64 // what is left of the run
}

// runBytes is the size of a huge page.
const runBytes = 2 << 20

// NewPocket returns a pocket without a run. It must be emptied.
func (a *Arena) NewPocket() *Pocket { return &Pocket{a: a} }

// Alloc is Arena.Alloc. A run counts as used as a whole until the pocket is emptied.
func (p *Pocket) Alloc(n int) (Ref, error) {
	size := int64(BlockBytes(n))
	if size > smallLimit || p.a.listed.Load() > 0 || p.end-p.begin < size && !p.refill() {
		return p.a.Alloc(n)
	}
	r := Ref(p.begin / unit)
	p.begin += size
	return r, nil
}

// refill takes a new run, unless the arena has no room for one.
func (p *Pocket) refill() bool {
	p.Empty()
	a := p.a
	a.mu.Lock()
	defer a.mu.Unlock()
	begin := (a.bump + runBytes - 1) &^ (runBytes - 1)
	if begin+runBytes > int64(len(a.mem)) || a.used.Load()+runBytes > a.limit {
		return false
	}
	a.spareLocked(a.bump, begin)
	p.begin, p.end = begin, begin+runBytes
	a.bump = p.end
	a.high.Store(a.bump)
	a.used.Add(runBytes)
	return true
}

// Empty gives back what is left of the run. The pocket can be used again.
func (p *Pocket) Empty() {
	if p.begin == p.end {
		return
	}
	p.a.mu.Lock()
	defer p.a.mu.Unlock()
	p.a.used.Add(p.begin - p.end)
	p.a.spareLocked(p.begin, p.end)
	p.begin, p.end = 0, 0
}

// span is bytes of the arena that were left out when bump moved on.
type span struct{ begin, end int64 }

func (a *Arena) spareLocked(begin, end int64) {
	if end-begin >= unit {
		a.spare = append(a.spare, span{begin, end})
	}
}

// cutSpareLocked takes a block of at most smallLimit bytes from what was left out, or returns 0.
func (a *Arena) cutSpareLocked(size int64) Ref {
	for n := len(a.spare); n > 0; n = len(a.spare) {
		s := &a.spare[n-1]
		if s.end-s.begin >= size {
			r := Ref(s.begin / unit)
			s.begin += size
			return r
		}
		a.spare = a.spare[:n-1] // less than a block is lost
	}
	return 0
}
