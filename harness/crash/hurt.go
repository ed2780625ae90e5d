package crash

import (
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
)

// target is a file that can be damaged.
type target struct {
	name  string // relative to the store
	now   []byte
	early []byte // as it was half way; nil if it was not there
}

// targetsIn reads the files of a store that hold anything.
func targetsIn(store, early string) ([]target, error) {
	var all []target
	err := filepath.WalkDir(store, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		name, err := filepath.Rel(store, path)
		if err != nil {
			return err
		}
		f := target{name: name}
		if f.now, err = os.ReadFile(path); err != nil || len(f.now) == 0 {
			return err
		}
		if f.early, err = os.ReadFile(filepath.Join(early, name)); err != nil {
			f.early = nil // it was not there yet
		}
		all = append(all, f)
		return nil
	})
	if err == nil && len(all) == 0 {
		err = fmt.Errorf("%s holds no file with anything in it", store)
	}
	return all, err
}

// Blocks of damage in bytes: a sector, and a page.
const (
	sectorBytes = 512
	blockBytes  = 4096
)

// hurt damages the copy of the store in dir, and says how.
func (p *patient) hurt(rng *rand.Rand, dir string) (string, error) {
	f, off := p.place(rng)
	kind := rng.IntN(8)
	if p.settled {
		kind = min(kind, 4) // what is larger than a few bytes could reach the last commit
	}
	size := sectorBytes
	if rng.IntN(2) == 0 {
		size = blockBytes
	}
	begin := off / size * size
	end := min(begin+size, len(f.now))
	switch {
	case kind == 4 && p.settled:
		end = off
		for end < min(len(f.now), len(f.early), off+64) && f.now[end] == f.early[end] {
			end++
		}
		return say("zeroed", f, off, end-off, overwrite(dir, f, off, make([]byte, end-off)))
	case kind == 5:
		return say("zeroed", f, begin, end-begin, overwrite(dir, f, begin, make([]byte, end-begin)))
	case kind == 6:
		if f, begin, end := p.stale(rng, size); f != nil {
			return say("stale", f, begin, end-begin, overwrite(dir, f, begin, f.early[begin:end]))
		}
	case kind == 7:
		return say("truncated", f, off, len(f.now)-off, os.Truncate(filepath.Join(dir, f.name), int64(off)))
	}
	return p.flipAt(rng, dir, f, off)
}

// flip flips one bit of the copy of the store in dir, and says which.
func (p *patient) flip(rng *rand.Rand, dir string) (string, error) {
	f, off := p.place(rng)
	return p.flipAt(rng, dir, f, off)
}

func (p *patient) flipAt(rng *rand.Rand, dir string, f *target, off int) (string, error) {
	bit := rng.IntN(8)
	return say(fmt.Sprintf("bit %d flipped", bit), f, off, 1, overwrite(dir, f, off, []byte{f.now[off] ^ 1<<bit}))
}

func say(what string, f *target, off, n int, err error) (string, error) {
	return fmt.Sprintf("%s: %s at %d, %d bytes", what, f.name, off, n), err
}

func overwrite(dir string, f *target, off int, with []byte) error {
	file, err := os.OpenFile(filepath.Join(dir, f.name), os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = file.WriteAt(with, int64(off))
	if cerr := file.Close(); err == nil {
		err = cerr
	}
	return err
}

// place picks a byte: half of the time any file is as likely as any other, half of
// the time any byte is; three times out of four it is one that is not zero.
func (p *patient) place(rng *rand.Rand) (*target, int) {
	wantFull := p.settled || rng.IntN(4) > 0
	for try := 0; ; try++ {
		f := &p.files[rng.IntN(len(p.files))]
		if rng.IntN(2) == 0 {
			f = p.byBytes(rng)
		}
		off := rng.IntN(len(f.now))
		settled := off < len(f.early) && f.early[off] == f.now[off]
		if (!wantFull || f.now[off] != 0) && (!p.settled || settled) || try == 10_000 {
			return f, off
		}
	}
}

// byBytes picks a file by its size.
func (p *patient) byBytes(rng *rand.Rand) *target {
	sum := 0
	for i := range p.files {
		sum += len(p.files[i].now)
	}
	at := rng.IntN(sum)
	for i := range p.files {
		if at -= len(p.files[i].now); at < 0 {
			return &p.files[i]
		}
	}
	return &p.files[0]
}

// stale picks a block that was different half way, nil if there is none.
func (p *patient) stale(rng *rand.Rand, size int) (f *target, begin, end int) {
	type block struct{ file, begin, end int }
	var all []block
	for i := range p.files {
		f := &p.files[i]
		for begin := 0; begin < min(len(f.now), len(f.early)); begin += size {
			end := min(begin+size, len(f.now), len(f.early))
			if string(f.now[begin:end]) != string(f.early[begin:end]) {
				all = append(all, block{i, begin, end})
			}
		}
	}
	if len(all) == 0 {
		return nil, 0, 0
	}
	b := all[rng.IntN(len(all))]
	return &p.files[b.file], b.begin, b.end
}
