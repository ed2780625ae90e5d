package mmapwal

import (
	"context"
	"math/rand/v2"
	"path"
	"slices"
	"sync"
	"testing"

	"orbitbench/engines"
	"orbitbench/engines/internal/crashtest"
	"orbitbench/engines/internal/vfs"
)

func TestCrashStates(t *testing.T) { crashtest.States(t, subject) }

// The judge of the crash test finds an engine whose syncs are lost.
func TestCrashJudgeFindsLostSyncs(t *testing.T) { crashtest.FindsLostSyncs(t, subject) }

// TestPowerCutAfterKillAtCheckpoint: a kill leaves the checkpoint under a name that is not
// durable, and a power cut meets the recovery that writes the checkpoint's pages to the
// table. Found by the crash states.
func TestPowerCutAfterKillAtCheckpoint(t *testing.T) {
	mem := vfs.NewMem()
	var mu sync.Mutex
	var killed *vfs.Mem // guarded by mu, like watch, cut and over
	watch := false
	mem.OnPending = func(op, name string) {
		mu.Lock()
		defer mu.Unlock()
		names, err := mem.ReadDir(crashDir)
		if watch && err == nil && killed == nil && op == "syncdir" && name == crashDir && slices.Contains(names, journalName) {
			killed = mem.Kill()
		}
	}
	e := mustOpen(t, mem, syncClass, crashConfig)
	put(t, e, engines.Nodes, "kept", "1")
	if err := e.Checkpoint(context.Background()); err != nil {
		t.Fatal(err)
	}
	put(t, e, engines.Nodes, "kept", "2")
	want := readAll(t, e)
	mu.Lock()
	watch = true
	mu.Unlock()
	if err := e.Checkpoint(context.Background()); err != nil {
		t.Fatal(err)
	}
	mustClose(t, e)
	if killed == nil {
		t.Fatal("no checkpoint was renamed")
	}
	var cut []*vfs.Mem
	over, seeds := false, uint64(8)
	if testing.Short() {
		seeds = 2
	}
	killed.OnPending = func(op, name string) {
		mu.Lock()
		defer mu.Unlock()
		if over || path.Base(name) != tableName {
			return
		}
		for _, loss := range vfs.Losses() {
			for seed := range seeds {
				cut = append(cut, killed.Crash(rand.New(rand.NewPCG(seed, 1)), loss))
			}
		}
	}
	e = mustOpen(t, killed, syncClass, crashConfig)
	mu.Lock()
	over = true
	mu.Unlock()
	mustClose(t, e)
	if len(cut) == 0 {
		t.Fatal("recovery did not write the table")
	}
	for i, m := range cut {
		cut[i] = nil // it is large
		e, err := subject.Try(m, syncClass, crashConfig)
		if err != nil {
			t.Errorf("cut %d of %d: %v", i, len(cut), err)
			continue
		}
		if got := readAll(t, e); !got.Equal(want) {
			t.Errorf("cut %d of %d: %d records, want %d", i, len(cut), len(got), len(want))
		}
		mustClose(t, e)
	}
}
