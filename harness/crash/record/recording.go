package record

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// recording is a finished journal. It does not change, so that it needs no lock.
type recording struct {
	model string // of Posix, Ext4Model or disk
	mount string // of a disk: the file system on it
	base  *tree  // durable before the first operation
	ops   []Op
	from  []uint64 // durableFrom
	marks []uint64 // the stamps that the caller took, ascending
	end   uint64   // the stamp at which it ended
	dir   string   // where states are made
}

// disk is the model of a block stage: any subset of the units written since the
// last flush may be lost.
const disk = "disk"

// diskIno is the image of a block stage in its tree.
const diskIno = 2

func newRecording(model, mount, dir string, base *tree, ops []Op, marks []uint64, end uint64) *recording {
	slices.Sort(marks)
	base.own = nil // it changes no more
	return &recording{model: model, mount: mount, dir: dir, base: base, ops: ops, marks: marks, end: end, from: durableFrom(ops, model)}
}

// Ops implements Recording.
func (r *recording) Ops() int { return len(r.ops) }

func (r *recording) marksBefore(at uint64) int {
	n, _ := slices.BinarySearch(r.marks, at)
	return n
}

// rebuild returns the tree of a state. It says what of the state does not fit the recording.
func (r *recording) rebuild(s State) (*tree, error) {
	if s.tree != nil {
		return s.tree, nil
	}
	w, c, err := r.seek(s)
	if err != nil {
		return nil, err
	}
	return w.tree(c.lost, c.torn), nil
}

// seek returns a walker at the state's stamp, and what the state takes away.
func (r *recording) seek(s State) (*walker, cut, error) {
	c := cut{lost: map[int]bool{}, torn: map[int]int{}}
	if s.Model != r.model {
		return nil, c, fmt.Errorf("the state is of model %q, the recording of %q", s.Model, r.model)
	}
	w := newWalker(r.base, r.ops, r.from)
	w.advance(s.At)
	pending := map[int]bool{}
	for _, i := range w.pending() {
		pending[i] = true
	}
	for _, id := range s.Lost {
		if id == 0 || !pending[int(id-1)] {
			return nil, c, fmt.Errorf("operation %d cannot be lost at stamp %d: it is durable, or had not begun", id, s.At)
		}
		c.lost[int(id-1)] = true
	}
	for _, t := range s.Torn {
		if t.Op == 0 || !pending[int(t.Op-1)] || t.Keep < 0 || r.ops[t.Op-1].Kind != Write {
			return nil, c, fmt.Errorf("operation %d cannot be torn at stamp %d: it is no write, durable, or had not begun", t.Op, s.At)
		}
		c.torn[int(t.Op-1)] = t.Keep
	}
	return w, c, nil
}

// Shrink implements Recording: it gives back lost and torn operations in ever smaller groups
// as long as the state fails.
func (r *recording) Shrink(ctx context.Context, s State, fails func(State) (bool, error)) (State, error) {
	w, c, err := r.seek(s)
	if err != nil {
		return s, err
	}
	pending := w.pending()
	best := s
	damaged := func(c cut) []int {
		var list []int
		for _, i := range pending {
			if _, torn := c.torn[i]; torn || c.lost[i] {
				list = append(list, i)
			}
		}
		return list
	}
	for size := max(1, len(damaged(c))/2); ; {
		left := damaged(c)
		smaller := false
		for from := 0; from < len(left); from += size {
			if err := ctx.Err(); err != nil {
				return best, err
			}
			trial := cut{lost: map[int]bool{}, torn: map[int]int{}}
			mended := left[from:min(len(left), from+size)]
			for _, i := range left {
				if slices.Contains(mended, i) {
					continue
				}
				if keep, torn := c.torn[i]; torn {
					trial.torn[i] = keep
				}
				if c.lost[i] {
					trial.lost[i] = true
				}
			}
			trial = allow(r.model, r.ops, pending, trial)
			if len(damaged(trial)) >= len(damaged(c)) {
				continue
			}
			state := r.state(w, pending, trial)
			bad, err := fails(state)
			if err != nil {
				return best, err
			}
			if bad {
				best, c, smaller = state, trial, true
				break
			}
		}
		switch {
		case smaller:
			size = max(1, min(size, len(damaged(c))/2))
		case size == 1:
			return best, nil
		default:
			size /= 2
		}
	}
}

// listed is how many operations Describe names.
const listed = 6

// Describe implements Recording.
func (r *recording) Describe(s State) string {
	names := r.names()
	last := "the beginning"
	for i := range r.ops {
		if r.ops[i].Begin >= s.At {
			break
		}
		last = fmt.Sprintf("op %d (%s)", r.ops[i].ID, r.ops[i].label(names))
		if r.ops[i].End >= s.At {
			last = "within " + last
		}
	}
	text := "cut after " + last
	if rest, ok := strings.CutPrefix(last, "within "); ok {
		text = "cut within " + rest
	}
	name := func(id uint64) string {
		if id == 0 || id > uint64(len(r.ops)) {
			return fmt.Sprintf("op %d (unknown)", id)
		}
		return r.ops[id-1].label(names)
	}
	if len(s.Lost) > 0 {
		text += ", lost: "
		for k, id := range s.Lost {
			if k == listed {
				text += fmt.Sprintf(" and %d more", len(s.Lost)-k)
				break
			}
			if k > 0 {
				text += ", "
			}
			text += name(id)
		}
	}
	for _, t := range s.Torn {
		if t.Keep == 0 {
			text += fmt.Sprintf(", torn: %s (the size without the bytes)", name(t.Op))
			continue
		}
		text += fmt.Sprintf(", torn: %s (%d of %d)", name(t.Op), t.Keep, r.ops[t.Op-1].Len)
	}
	if len(s.Lost)+len(s.Torn) == 0 {
		text += ", nothing lost"
	}
	return text
}

// names gives each file the name that it had first.
func (r *recording) names() map[uint64]string {
	names := map[uint64]string{}
	for path, ino := range r.base.reached() {
		if names[ino] == "" {
			names[ino] = path
		}
	}
	names[rootIno] = "."
	if r.model == disk {
		names[diskIno] = "disk"
	}
	for i := range r.ops {
		if o := &r.ops[i]; o.Name != "" && names[o.Ino] == "" {
			names[o.Ino] = o.Name
		}
	}
	return names
}
