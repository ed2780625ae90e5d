package arena

// Run is promised bytes of an arena from which one goroutine cuts blocks, without the arena's
// lock. What is left of it when it is closed goes to others.
type Run struct {
	a          *Arena
	begin, end int64
}

// NewRun returns a run of n bytes, a multiple of 16, that were promised. It begins at a page.
// Errors: ErrFull, if address space runs out; the promise stands.
func (a *Arena) NewRun(n int64) (Run, error) {
	if n == 0 {
		return Run{}, nil
	}
	r, err := a.AllocRun(n)
	if err != nil {
		return Run{}, err
	}
	return Run{a, int64(r) * unit, int64(r)*unit + n}, nil
}

// Cut returns a block of at least n bytes, or 0 if the run has none left.
func (r *Run) Cut(n int) Ref {
	size := int64(BlockBytes(n))
	if r.end-r.begin < size {
		return 0
	}
	ref := Ref(r.begin / unit)
	r.begin += size
	return ref
}

// Close gives back what is left of the run.
func (r *Run) Close() {
	if r.begin == r.end {
		return
	}
	r.a.mu.Lock()
	defer r.a.mu.Unlock()
	r.a.used.Add(r.begin - r.end)
	r.a.spareLocked(r.begin, r.end)
	r.begin = r.end
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
