package adapter

import (
	"errors"
	"io"
	"sync"

	"orbitbench/engines"
)

// Views are the open views of an engine. A caller must close its views before
// the engine, but one that does not must not hang Close, or leave the library
// with a snapshot of a store that is gone: Close ends the rest. The zero value
// is empty.
type Views struct {
	mu   sync.Mutex
	open map[io.Closer]struct{} // guarded by mu
}

// Add remembers an open view.
func (v *Views) Add(c io.Closer) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.open == nil {
		v.open = make(map[io.Closer]struct{})
	}
	v.open[c] = struct{}{}
}

// Remove forgets a view that its owner closes.
func (v *Views) Remove(c io.Closer) {
	v.mu.Lock()
	defer v.mu.Unlock()
	delete(v.open, c)
}

// CloseAll closes every view that is still open.
func (v *Views) CloseAll() error {
	v.mu.Lock()
	left := make([]io.Closer, 0, len(v.open))
	for c := range v.open {
		left = append(left, c)
	}
	v.mu.Unlock()
	var errs []error
	for _, c := range left {
		if err := c.Close(); !errors.Is(err, engines.ErrClosed) { // its owner was faster
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}
