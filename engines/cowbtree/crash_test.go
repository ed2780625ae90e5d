package cowbtree

import (
	"context"
	"fmt"
	"math/rand/v2"
	"path"
	"strings"
	"sync"
	"testing"

	"orbitbench/engines"
	"orbitbench/engines/internal/crashtest"
	"orbitbench/engines/internal/vfs"
)

func TestCrashStates(t *testing.T) { crashtest.States(t, subject) }

// The judge of the crash test finds an engine whose syncs are lost.
func TestCrashJudgeFindsLostSyncs(t *testing.T) { crashtest.FindsLostSyncs(t, subject) }

// TestPowerCutAfterKillAtCheckpoint: a kill leaves a meta block that is not durable, and a
// power cut meets the open of that store, or its next checkpoint, which writes to blocks
// that only the older meta block lists. Neither may lose what was acknowledged before the kill.
func TestPowerCutAfterKillAtCheckpoint(t *testing.T) {
	ctx := context.Background()
	mem := vfs.NewMem()
	var mu sync.Mutex
	watch := false      // guarded by mu
	var killed *vfs.Mem // guarded by mu; at the last sync of the page file: that of the meta block
	mem.OnPending = func(op, name string) {
		mu.Lock()
		defer mu.Unlock()
		if watch && op == "sync" && path.Base(name) == pagesName {
			killed = mem.Kill()
		}
	}
	e := mustOpen(t, mem, syncClass, subject.Busy)
	fill := func(e *engine, round int) {
		for i := range 60 {
			put(t, e, engines.Nodes, fmt.Sprintf("key-%02d", i), fmt.Sprintf("%d-%d", i, round))
		}
	}
	for round := range 3 {
		if round == 2 { // blocks are taken from the beginning of the file again
			mustClose(t, e)
			e = mustOpen(t, mem, syncClass, subject.Busy)
		}
		fill(e, round)
		if err := e.Checkpoint(ctx); err != nil {
			t.Fatal(err)
		}
	}
	fill(e, 3)
	want := readAll(t, e)
	mu.Lock()
	watch = true
	mu.Unlock()
	if err := e.Checkpoint(ctx); err != nil {
		t.Fatal(err)
	}
	mu.Lock()
	watch = false
	mu.Unlock()
	mustClose(t, e)
	if killed == nil {
		t.Fatal("the checkpoint did not sync the page file")
	}
	cuts := cutsOfNextCheckpoint(t, killed, func(e *engine) { fill(e, 4) })
	for i, m := range cuts {
		cuts[i] = nil // it is large
		e, err := subject.Try(m, syncClass, subject.Busy)
		if err != nil {
			t.Errorf("cut %d: %v", i, err)
			continue
		}
		got, err := readSome(e)
		if err != nil {
			t.Errorf("cut %d: %v", i, err)
		}
		for k, v := range want {
			if err == nil && got[k] != v && !strings.HasSuffix(got[k], fmt.Sprintf("%x", "-4")) {
				t.Errorf("cut %d: %s is %.60s, want %s or what was written after it", i, k, got[k], v)
			}
		}
		if cerr := e.Close(); err == nil && cerr != nil {
			t.Errorf("cut %d: %v", i, cerr)
		}
	}
}

// cutsOfNextCheckpoint opens a store that a kill left, writes to it and takes a checkpoint,
// and returns what power cuts in the middle of what it does leave.
func cutsOfNextCheckpoint(t *testing.T, killed *vfs.Mem, write func(e *engine)) (cuts []*vfs.Mem) {
	t.Helper()
	var mu sync.Mutex
	over := false // guarded by mu, like cuts
	short := testing.Short()
	killed.OnPending = func(op, name string) {
		mu.Lock()
		defer mu.Unlock()
		each := 1 // of each loss; a copy of the whole file system
		if path.Base(name) == pagesName {
			each = 16
		}
		if short {
			each = (each + 3) / 4
		}
		for i := 0; !over && i < each*len(vfs.Losses()); i++ {
			cuts = append(cuts, killed.Crash(rand.New(rand.NewPCG(uint64(len(cuts)), 1)), vfs.Losses()[i%len(vfs.Losses())]))
		}
	}
	e := mustOpen(t, killed, syncClass, subject.Busy)
	write(e)
	if err := e.Checkpoint(context.Background()); err != nil {
		t.Fatal(err)
	}
	mu.Lock()
	over = true
	mu.Unlock()
	mustClose(t, e)
	if len(cuts) < 100 {
		t.Fatalf("%d cuts", len(cuts))
	}
	return cuts
}
