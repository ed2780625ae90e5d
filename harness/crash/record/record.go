package record

import (
	"context"
	"errors"
	"iter"
	"syscall"
)

// The models of a file stage, and the mounts of a block stage.
const (
	Posix         = "posix"
	Ext4Model     = "ext4"
	MountExt4     = "ext4"
	MountExt4Bare = "ext4-writeback" // data=writeback,noauto_da_alloc: nothing that the file system does unasked
	MountXFS      = "xfs"
)

// ErrNoMount says that the file system of a crash state could not be mounted: no
// fault of the engine.
var ErrNoMount = errors.New("the file system of this crash state does not mount")

// Stage is a place where a worker's store may live while all that is written
// there is recorded. The process that made it serves it, and must not touch
// what lies under Dir itself: workers and verifiers are processes of their own.
type Stage interface {
	// Dir is the parent of the store's directory. It exists, and is durable, before recording begins.
	Dir() string
	// Now is a stamp: what had completed before the call has End < Now(), and
	// what begins after it has Begin > Now(). Safe for concurrent use.
	Now() uint64
	// Finish ends the recording and unmounts; the worker must be gone by then.
	Finish(ctx context.Context) (Recording, error)
	// Close releases everything, after errors too. It may be called again.
	Close() error
}

// FileStage is a stage that can make operations fail.
type FileStage interface {
	Stage
	// SetFault makes operations fail from now on, nil ends it.
	SetFault(*Fault)
	// Faulted is the number of operations that were made to fail since SetFault.
	Faulted() int
}

// Fault says which operations fail, and how.
type Fault struct {
	Op    string        // write, fsync, read or create; ENOSPC for write also meets fallocate, create and mkdir
	Errno syscall.Errno // what the caller gets, unless Short
	Short bool          // the first half of a write is carried out, and so reported
	Path  string        // pattern of path.Match on the base name, "" for any
	After int           // as many operations succeed first
	Once  bool          // one failure only
}

// Options choose crash states.
type Options struct {
	Seed   uint64
	States int // at most as many; 0 means 1000
	// The window of stamps in which crashes happen; 0 leaves it open.
	From, To uint64
	// Mark counts the caller's own stamps (Now) before a crash: nil counts all that were taken. States of equal
	// content are given out once for each count.
	Mark func(at uint64) int `json:"-"`
}

// Tear is a write of which the first Keep bytes reached the disk. With Keep 0 the
// file has the size that the write gave it, but not its bytes.
type Tear struct {
	Op   uint64 `json:"op"`
	Keep int    `json:"keep"`
}

// State is a crash: all operations that began before the stamp At happened,
// but for those lost or torn. It is bound to its recording, and survives JSON.
type State struct {
	At    uint64   `json:"at"`
	Lost  []uint64 `json:"lost,omitempty"` // ascending
	Torn  []Tear   `json:"torn,omitempty"`
	Model string   `json:"model"`
	// Content tells states of one recording apart by what is on the disk: states with the same
	// need one dump, and a judgement for each At.
	Content uint64 `json:"content"`

	tree *tree // what Content is the hash of; nil after JSON
}

// Recording is what a stage has recorded. All methods are safe for concurrent use.
type Recording interface {
	// States yields crash states in the order of their stamps, several rounds of them when one does not suffice; the same for the same options.
	States(o Options) iter.Seq[State]
	// Materialize makes the state a directory, the like of Stage.Dir, which done
	// removes again. It returns ErrNoMount if the file system refuses the state.
	Materialize(ctx context.Context, s State) (dir string, done func() error, err error)
	// Shrink looks for the least set of lost and torn operations that still fails.
	Shrink(ctx context.Context, s State, fails func(State) (bool, error)) (State, error)
	// Describe tells a state in words.
	Describe(s State) string
	// Save writes the recording into a directory, from where Load reads it.
	Save(dir string) error
	// Ops is the number of operations recorded.
	Ops() int
}
