package storetest

import (
	"context"
	"io"
	"maps"
	"testing"

	"orbitbench/engines"
	"orbitbench/engines/internal/meta"
	"orbitbench/engines/internal/vfs"
	"orbitbench/engines/internal/wal"
)

// Dir is the directory of the store on the file system in memory.
const Dir = "/store"

// Engine is what tests need of an open store.
type Engine interface {
	engines.Engine
	engines.LeaseRenewer
	engines.Checkpointer
	engines.Snapshotter
}

// Subject is an engine under test. Its store is in Dir.
type Subject[E Engine] struct {
	Open   func(ctx context.Context, fs vfs.FS, o engines.Options) (E, error)
	Verify func(ctx context.Context, fs vfs.FS, dir string, progress func(done, total int64)) (engines.VerifyReport, error)
	Dump   func(ctx context.Context, fs vfs.FS, dir string, w io.Writer) error
	Meta   meta.Format
	// Log returns the log of an open store that has been opened as a new one.
	Log func(e E) *wal.Log

	// Busy are options with which the engine rotates and takes checkpoints all the time.
	Busy map[string]any
	// Small, if set, are options that keep any store small.
	Small map[string]any
	// Checkpoint is how names of the engine's options begin that are about checkpoints.
	Checkpoint string

	// LateLog says that a log with nothing to replay is opened while reads are served, so that
	// Close may be what tells of its damage.
	LateLog bool

	// Fill, if set, writes what only this engine treats in its own way. It is called before
	// each of three rounds, the second of which ends with a checkpoint.
	Fill func(t *testing.T, e E, round int)
	// Steady, if set, takes from a dump what does not depend on how fast segments of
	// the log are made in the background.
	Steady func(t *testing.T, dump []byte) []byte
	// Recover, if set, finishes what Open leaves to the first call that needs it. What
	// happens until it has returned is recovery.
	Recover func(e E) error
	// Audit, if set, checks an open store.
	Audit func(e E) error
	// Rare, if set, says which files a run seldom gets to, so that more crashes are taken there.
	Rare func(name string) bool
}

// Options are those for segments of that many bytes, and for checkpoints as said: the
// options log_bytes, share and on_close, as the engine calls them.
func (s Subject[E]) Options(segment int, checkpoint map[string]any) map[string]any {
	o := map[string]any{"segment_bytes": segment}
	maps.Copy(o, s.Small)
	for name, v := range checkpoint {
		o[s.Checkpoint+"_"+name] = v
	}
	return o
}

// Try opens the store, or fails to.
func (s Subject[E]) Try(fs vfs.FS, d engines.Durability, config map[string]any) (E, error) {
	return s.Open(context.Background(), fs, engines.Options{Dir: Dir, Durability: d, Config: config})
}

// MustOpen opens the store.
func (s Subject[E]) MustOpen(t *testing.T, fs vfs.FS, d engines.Durability, config map[string]any) E {
	t.Helper()
	e, err := s.Open(context.Background(), fs, engines.Options{Dir: Dir, Durability: d, Config: config, Logf: t.Logf})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// MustClose closes it.
func MustClose(t *testing.T, e engines.Engine) {
	t.Helper()
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
}

// Check verifies the closed store.
func (s Subject[E]) Check(fs vfs.FS) error {
	_, err := s.Verify(context.Background(), fs, Dir, nil)
	return err
}
