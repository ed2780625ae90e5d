package record

import (
	"fmt"
	"math"
	"path"
)

// Kind is what an operation does.
type Kind string

// The kinds of operation.
const (
	Write    Kind = "write"
	Truncate Kind = "truncate"
	Allocate Kind = "fallocate" // Off and Len zeroed (Zero) and the size extended (Grow)
	Create   Kind = "create"
	Mkdir    Kind = "mkdir"
	Symlink  Kind = "symlink"
	Link     Kind = "link"
	Unlink   Kind = "unlink"
	Rmdir    Kind = "rmdir"
	Rename   Kind = "rename"
	Chmod    Kind = "chmod"
	Sync     Kind = "fsync"
	SyncDir  Kind = "fsync-dir"
)

// Op is one operation, or of a larger write the part that lies in one unit of
// 4 KiB. Operations never change once they are recorded.
type Op struct {
	ID       uint64 `json:"id"` // from 1, in the order of Begin
	Begin    uint64 `json:"begin"`
	End      uint64 `json:"end"`
	Kind     Kind   `json:"kind"`
	Ino      uint64 `json:"ino"`           // the file or directory acted on
	Dir      uint64 `json:"dir,omitempty"` // where Name is an entry
	Name     string `json:"name,omitempty"`
	NewDir   uint64 `json:"new_dir,omitempty"` // of a rename
	NewName  string `json:"new_name,omitempty"`
	Replaces uint64 `json:"replaces,omitempty"` // the file that a rename put another in place of
	Off      int64  `json:"off,omitempty"`      // of a truncation: the new size
	Len      int64  `json:"len,omitempty"`
	Data     []byte `json:"data,omitempty"` // nil for zeros
	Zero     bool   `json:"zero,omitempty"`
	Grow     bool   `json:"grow,omitempty"`
	Mode     uint32 `json:"mode,omitempty"`
	Target   string `json:"target,omitempty"`  // of a symbolic link
	Durable  bool   `json:"durable,omitempty"` // by itself, when it ends
	Failed   bool   `json:"failed,omitempty"`  // a sync that returned an error
}

const never = math.MaxUint64

// data says whether the operation is on the content of a file.
func (o *Op) data() bool { return o.Kind == Write || o.Kind == Truncate || o.Kind == Allocate }

// sync says whether it changes nothing.
func (o *Op) sync() bool { return o.Kind == Sync || o.Kind == SyncDir }

// special says whether crashes near it are looked for more often.
func (o *Op) special() bool { return !o.sync() && o.Kind != Write }

func (o *Op) label(names map[uint64]string) string {
	name := func(ino uint64, n string) string {
		if n != "" {
			return n
		}
		if n = names[ino]; n != "" {
			return path.Base(n)
		}
		return fmt.Sprintf("inode %d", ino)
	}
	switch o.Kind {
	case Write, Allocate:
		return fmt.Sprintf("%s %s@%d+%d", o.Kind, name(o.Ino, ""), o.Off, o.Len)
	case Truncate:
		return fmt.Sprintf("truncate %s to %d", name(o.Ino, ""), o.Off)
	case Rename:
		return fmt.Sprintf("rename %s to %s", o.Name, o.NewName)
	}
	return fmt.Sprintf("%s %s", o.Kind, name(o.Ino, o.Name))
}

// durableFrom returns, by index of operation, from which stamp on it is durable.
func durableFrom(ops []Op, model string) []uint64 {
	from := make([]uint64, len(ops))
	pending := map[uint64][]int{} // by inode for data, by directory for entries, 0 for all metadata under ext4
	var flushed []int             // renames in place of a file that were committed: their data came first
	commit := func(key uint64, o *Op) {
		left := pending[key][:0]
		for _, i := range pending[key] {
			switch {
			case ops[i].End >= o.Begin:
				left = append(left, i)
			case !o.Failed:
				from[i] = o.End + 1
				if model == Ext4Model && ops[i].Kind == Rename && ops[i].Replaces != 0 {
					flushed = append(flushed, i)
				}
			}
		}
		pending[key] = left
	}
	for i := range ops {
		o := &ops[i]
		from[i] = never
		if o.sync() {
			commit(o.Ino, o)
			if model == Ext4Model && !o.Failed {
				commit(0, o)
			}
			for _, rename := range flushed {
				for _, k := range pending[ops[rename].Ino] {
					if k < rename {
						from[k] = o.End + 1
					}
				}
			}
			flushed = flushed[:0]
			continue
		}
		key := o.Ino
		switch {
		case o.Durable:
			from[i] = o.End + 1
			continue
		case o.Kind == Write: // by fsync of the file, under each model
		case model == Ext4Model:
			key = 0
		case o.Kind == Rename:
			key = o.NewDir
		case !o.data() && o.Kind != Chmod:
			key = o.Dir
		}
		pending[key] = append(pending[key], i)
	}
	return from
}
