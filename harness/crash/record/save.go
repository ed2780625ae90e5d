package record

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/klauspost/compress/zstd"
)

// A saved recording is a file of JSON lines, compressed with zstd: a header, the nodes of
// the base tree, and the operations in order.
//
//	{"format":"orbitbench recording","version":1,"model":"posix",...,"nodes":1,"ops":812}
//	{"ino":1,"mode":16877,"entries":{...},"pages":{"0":"base64"}}   x nodes
//	{"id":1,"begin":3,"end":4,"kind":"create",...}                  x ops
const (
	savedName    = "recording.jsonl.zst"
	savedFormat  = "orbitbench recording"
	savedVersion = 1
)

type savedHeader struct {
	Format  string   `json:"format"`
	Version int      `json:"version"`
	Model   string   `json:"model"`
	Mount   string   `json:"mount,omitempty"`
	End     uint64   `json:"end"`
	Marks   []uint64 `json:"marks,omitempty"`
	Nodes   int      `json:"nodes"`
	Ops     int      `json:"ops"`
}

type savedNode struct {
	Ino     uint64            `json:"ino"`
	Mode    uint32            `json:"mode"`
	Nlink   int               `json:"nlink"`
	Size    int64             `json:"size,omitempty"`
	Pages   map[int64][]byte  `json:"pages,omitempty"`
	Entries map[string]uint64 `json:"entries,omitempty"`
	Target  string            `json:"target,omitempty"`
}

// Save implements Recording.
func (r *recording) Save(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	f, err := os.CreateTemp(dir, savedName+".*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	z, err := zstd.NewWriter(f)
	if err != nil {
		return errors.Join(err, f.Close())
	}
	if err := errors.Join(r.encode(z), z.Close(), f.Close()); err != nil {
		return fmt.Errorf("saving a recording: %w", err)
	}
	return os.Rename(f.Name(), filepath.Join(dir, savedName))
}

// Load reads what Save wrote. States are made below base.
func Load(dir, base string) (Recording, error) {
	name := filepath.Join(dir, savedName)
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	z, err := zstd.NewReader(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	defer z.Close()
	r, err := decode(z)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	r.dir = base
	return r, nil
}

func (r *recording) encode(w io.Writer) error {
	b := bufio.NewWriter(w)
	enc := json.NewEncoder(b)
	err := enc.Encode(savedHeader{savedFormat, savedVersion, r.model, r.mount, r.end, r.marks, len(r.base.nodes), len(r.ops)})
	for _, ino := range slices.Sorted(maps.Keys(r.base.nodes)) {
		n := r.base.nodes[ino]
		s := savedNode{Ino: ino, Mode: n.mode, Nlink: n.nlink, Size: n.size, Entries: n.entries, Target: n.target}
		if len(n.pages) > 0 {
			s.Pages = map[int64][]byte{}
		}
		for u, p := range n.pages {
			s.Pages[u] = p[:]
		}
		err = errors.Join(err, enc.Encode(s))
	}
	for i := range r.ops {
		err = errors.Join(err, enc.Encode(&r.ops[i]))
	}
	return errors.Join(err, b.Flush())
}

// maxSize bounds the size of a file in a recording, in bytes.
const maxSize = 1 << 40

func decode(from io.Reader) (*recording, error) {
	dec := json.NewDecoder(from)
	var h savedHeader
	if err := dec.Decode(&h); err != nil {
		return nil, fmt.Errorf("header: %w", err)
	}
	switch {
	case h.Format != savedFormat:
		return nil, fmt.Errorf("format is %q, not %q", h.Format, savedFormat)
	case h.Version != savedVersion:
		return nil, fmt.Errorf("version %d of the format is not known, only %d", h.Version, savedVersion)
	case h.Model != Posix && h.Model != Ext4Model && h.Model != disk:
		return nil, fmt.Errorf("model %q is not known", h.Model)
	case h.Nodes < 1 || h.Ops < 0 || !slices.IsSorted(h.Marks):
		return nil, errors.New("the header's counts or marks are wrong")
	}
	base := &tree{nodes: map[uint64]*node{}, own: map[uint64]bool{}}
	for i := range h.Nodes {
		var s savedNode
		if err := dec.Decode(&s); err != nil {
			return nil, fmt.Errorf("node %d: %w", i, err)
		}
		n, err := s.node()
		if err != nil {
			return nil, fmt.Errorf("node %d: %w", i, err)
		}
		base.nodes[s.Ino] = n
	}
	if root := base.nodes[rootIno]; root == nil || !root.dir() {
		return nil, errors.New("there is no top directory")
	}
	if d := base.nodes[diskIno]; h.Model == disk && (d == nil || d.pages == nil) {
		return nil, errors.New("there is no disk image")
	}
	var ops []Op
	for i := range h.Ops {
		var o Op
		if err := dec.Decode(&o); err != nil {
			return nil, fmt.Errorf("operation %d: %w", i+1, err)
		}
		if err := o.check(uint64(i) + 1); err != nil {
			return nil, fmt.Errorf("operation %d: %w", i+1, err)
		}
		if i > 0 && o.Begin < ops[i-1].Begin {
			return nil, fmt.Errorf("operation %d begins before the one ahead of it", i+1)
		}
		ops = append(ops, o)
	}
	return newRecording(h.Model, h.Mount, "", base, ops, h.Marks, h.End), nil
}

func (s savedNode) node() (*node, error) {
	switch s.Mode & syscall.S_IFMT {
	case syscall.S_IFDIR, syscall.S_IFREG, syscall.S_IFLNK:
	default:
		return nil, fmt.Errorf("mode %o is none of a file, directory or link", s.Mode)
	}
	n := newNode(s.Mode)
	n.nlink, n.size, n.target = s.Nlink, s.Size, s.Target
	if s.Size < 0 || s.Size > maxSize || s.Ino == 0 {
		return nil, errors.New("its size or number is out of range")
	}
	for name, ino := range s.Entries {
		if n.entries == nil || !plain(name) {
			return nil, fmt.Errorf("%q is no entry of a directory", name)
		}
		n.entries[name] = ino
	}
	for u, b := range s.Pages {
		if n.pages == nil || u < 0 || u > maxSize/unit || len(b) != unit {
			return nil, fmt.Errorf("page %d is wrong", u)
		}
		n.set(u, (*page)(b))
	}
	return n, nil
}

// plain says whether a name stays in its directory.
func plain(name string) bool {
	return name != "" && name != "." && name != ".." && !strings.ContainsAny(name, "/\x00")
}

// check refuses an operation that could not have been recorded.
func (o *Op) check(id uint64) error {
	switch {
	case o.ID != id:
		return fmt.Errorf("its number is %d", o.ID)
	case o.Begin >= o.End:
		return errors.New("it ends before it begins")
	case o.Ino == 0:
		return errors.New("it is on no file")
	case o.Off < 0 || o.Len < 0 || o.Off > maxSize || o.Len > maxSize:
		return errors.New("its range is wrong")
	}
	switch o.Kind {
	case Write:
		if o.Len == 0 || o.Off%unit+o.Len > unit || o.Data != nil && int64(len(o.Data)) != o.Len {
			return errors.New("a write has to lie in one unit, with all its bytes")
		}
	case Create, Mkdir, Symlink, Link, Unlink, Rmdir:
		if !plain(o.Name) || o.Dir == 0 {
			return fmt.Errorf("%q is no name", o.Name)
		}
	case Rename:
		if !plain(o.Name) || !plain(o.NewName) || o.Dir == 0 || o.NewDir == 0 {
			return fmt.Errorf("%q to %q is no rename", o.Name, o.NewName)
		}
	case Truncate, Allocate, Chmod, Sync, SyncDir:
	default:
		return fmt.Errorf("kind %q is not known", o.Kind)
	}
	return nil
}
