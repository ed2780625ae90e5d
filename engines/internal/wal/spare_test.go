package wal

import (
	"math/rand/v2"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"orbitbench/engines"
	"orbitbench/engines/internal/vfs"
)

// TestPowerCutAfterKillInRecycling: a process is killed while it writes the new header of a
// recycled segment. The next one takes that segment for its spare and acknowledges records in
// it; a power cut must not take the header back, and with it the records.
func TestPowerCutAfterKillInRecycling(t *testing.T) {
	mem := vfs.NewMem()
	var mu sync.Mutex
	var killed []*vfs.Mem // guarded by mu
	recycling := ""       // guarded by mu: the name of the first segment, once it is dropped
	mem.OnPending = func(op, name string) {
		mu.Lock()
		defer mu.Unlock()
		if op == "write" && recycling != "" && strings.HasSuffix(name, recycling) {
			killed = append(killed, mem.Kill())
		}
	}
	o := Options{FS: mem, Dir: "/log", Class: engines.Sync, SegmentBytes: minSegmentBytes}
	l, _, _ := openTest(t, o, 0)
	acknowledge := func(l *Log, n int) (last LSN) {
		for range n {
			lsn, err := l.Append(1, make([]byte, 1000))
			require.NoError(t, err)
			require.NoError(t, l.Wait(lsn))
			last = lsn
		}
		return last
	}
	dropped := acknowledge(l, 40)
	mu.Lock()
	recycling = "00000001.wal"
	mu.Unlock()
	require.NoError(t, l.DropBefore(dropped-5))
	acknowledge(l, 40)
	require.NoError(t, l.Close())
	mu.Lock()
	defer mu.Unlock()
	require.NotEmpty(t, killed, "the first segment was not recycled")

	o.FS = killed[0] // in the middle of the write of its header
	l, _, _ = openTest(t, o, dropped-6)
	last := acknowledge(l, 40)
	for seed := range uint64(8) {
		for _, loss := range vfs.Losses() {
			o.FS = killed[0].Crash(rand.New(rand.NewPCG(seed, 1)), loss)
			again, info, _ := openTest(t, o, dropped-6)
			require.Equal(t, last, info.Last, "loss %v, seed %d", loss, seed)
			require.NoError(t, again.Close())
		}
	}
	require.NoError(t, l.Close())
}
