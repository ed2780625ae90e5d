package wal

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"orbitbench/engines"
	"orbitbench/engines/internal/vfs"
	"orbitbench/harness/patience"
)

// payload is what record nonce holds: its size and bytes follow from the nonce.
func payload(nonce uint64) []byte {
	rng := rand.New(rand.NewPCG(nonce, 1))
	n := 8 + rng.IntN(300)
	if rng.IntN(20) == 0 {
		n = 8 + rng.IntN(9000)
	}
	b := make([]byte, n)
	binary.LittleEndian.PutUint64(b, nonce)
	for i := 8; i < n; i++ {
		b[i] = byte(rng.Uint32())
	}
	return b
}

// history is what the outside world knows of a log: the oracle of the crash tests.
type history struct {
	mu     sync.Mutex
	acked  map[LSN]uint64  // acknowledged: nonce by number
	issued map[uint64]bool // nonces handed to Append
	snap   LSN             // records up to here are in a durable snapshot
}

func newHistory() *history { return &history{acked: map[LSN]uint64{}, issued: map[uint64]bool{}} }

func (h *history) copy() *history {
	h.mu.Lock()
	defer h.mu.Unlock()
	c := newHistory()
	for k, v := range h.acked {
		c.acked[k] = v
	}
	for k := range h.issued {
		c.issued[k] = true
	}
	c.snap = h.snap
	return c
}

// check judges what a log gave after a crash.
func (h *history) check(info ReplayInfo, got map[LSN][]byte) error {
	last := h.snap
	for lsn := h.snap + 1; ; lsn++ {
		p, ok := got[lsn]
		if !ok {
			break
		}
		last = lsn
		nonce := binary.LittleEndian.Uint64(p)
		if !h.issued[nonce] || !bytes.Equal(p, payload(nonce)) {
			return fmt.Errorf("record %d was never written: nonce %d", lsn, nonce)
		}
		if want, ok := h.acked[lsn]; ok && want != nonce {
			return fmt.Errorf("record %d has nonce %d, acknowledged was %d", lsn, nonce, want)
		}
	}
	if len(got) != int(last-h.snap) {
		return fmt.Errorf("%d records from %d to %d: not a prefix", len(got), h.snap+1, last)
	}
	for lsn := range h.acked {
		if lsn > last {
			return fmt.Errorf("record %d was acknowledged, the log ends with %d (%+v)", lsn, last, info)
		}
	}
	return nil
}

// replayAll opens a log and returns its records. With several workers it takes them in
// rounds, and counts only those that a round says to be valid.
func replayAll(o Options, from LSN) (*Log, ReplayInfo, map[LSN][]byte, error) {
	var mu sync.Mutex
	got := map[LSN][]byte{}
	if o.ReplayWorkers > 2 {
		last := from
		o.Round = func(valid LSN) error {
			for lsn := range got {
				if lsn > valid {
					delete(got, lsn)
				}
			}
			if valid < last {
				return fmt.Errorf("valid fell from %d to %d", last, valid)
			}
			last = valid
			return nil
		}
	}
	l, info, err := Open(context.Background(), o, from, func(_ int, r Record) error {
		mu.Lock()
		defer mu.Unlock()
		got[r.LSN] = bytes.Clone(r.Payload)
		return nil
	})
	return l, info, got, err
}

// commit appends one record and waits for it, and keeps h.
func (h *history) commit(l *Log, nonce uint64) error {
	h.mu.Lock()
	h.issued[nonce] = true
	h.mu.Unlock()
	lsn, err := l.Append(1, payload(nonce))
	if err != nil {
		return err
	}
	if err := l.Wait(lsn); err != nil {
		return err
	}
	if l.o.Class == engines.Sync {
		h.mu.Lock()
		h.acked[lsn] = nonce
		h.mu.Unlock()
	}
	return nil
}

// verifyState opens a crash state and judges it; then it writes on, crashes again
// (depth times, also inside recovery) and judges that.
func verifyState(m *vfs.Mem, o Options, h *history, rng *rand.Rand, depth int) error {
	o.FS, o.ReplayWorkers = m, 1+rng.IntN(3)
	var inside *vfs.Mem
	var mu sync.Mutex // the preparer also calls OnPending, on its own goroutine
	opened := false
	if depth > 0 {
		ops, at := 0, rng.IntN(6)
		m.OnPending = func(string, string) {
			mu.Lock()
			defer mu.Unlock()
			if ops == at && !opened {
				inside = m.Crash(rng, vfs.Losses()[rng.IntN(len(vfs.Losses()))])
			}
			ops++
		}
	}
	l, info, got, err := replayAll(o, h.snap)
	mu.Lock()
	opened = true
	mu.Unlock()
	if err != nil {
		return fmt.Errorf("open: %w", err)
	}
	if err := h.check(info, got); err != nil {
		return err
	}
	if depth == 0 {
		return l.Close()
	}
	if inside != nil {
		if err := verifyState(inside, o, h.copy(), rng, 0); err != nil {
			return fmt.Errorf("crash inside recovery: %w", err)
		}
	}
	// What was recovered is what the log holds: under class Sync it is acknowledged now.
	next := h.copy()
	if o.Class == engines.Sync {
		for lsn, p := range got {
			next.acked[lsn] = binary.LittleEndian.Uint64(p)
		}
	}
	for range 1 + rng.IntN(5) {
		if err := next.commit(l, rng.Uint64()); err != nil {
			return fmt.Errorf("write after recovery: %w", err)
		}
	}
	again := m.Crash(rng, vfs.Losses()[rng.IntN(len(vfs.Losses()))])
	if err := l.Close(); err != nil {
		return err
	}
	if err := verifyState(again, o, next, rng, depth-1); err != nil {
		return fmt.Errorf("second crash: %w", err)
	}
	return nil
}

// crashRun runs writers on a log in memory and judges crash states taken in the
// middle of its file operations. It returns the number of states and the first fault found.
func crashRun(o Options, seed uint64, writers, commits int, brk func(*vfs.Mem) vfs.FS) (states int, fault error) {
	mem := vfs.NewMem()
	h := newHistory()
	rng := rand.New(rand.NewPCG(seed, 0))
	var mu sync.Mutex // guards rng, states, fault
	mem.OnPending = func(op, name string) {
		mu.Lock()
		defer mu.Unlock()
		if fault != nil || rng.IntN(12) != 0 {
			return
		}
		before := h.copy()
		loss := vfs.Losses()[rng.IntN(len(vfs.Losses()))]
		state := mem.Crash(rng, loss)
		after := h.copy()
		if before.snap != after.snap {
			return
		}
		before.issued = after.issued
		states++
		if err := verifyState(state, o, before, rng, 1+rng.IntN(2)); err != nil {
			fault = fmt.Errorf("state %d, crash in %s of %s, %s: %w", states, op, name, loss, err)
		}
	}
	run := o
	run.FS = mem
	if brk != nil {
		run.FS = brk(mem)
	}
	if err := mem.MkdirAll(o.Dir); err != nil {
		return 0, err
	}
	l, _, _, err := replayAll(run, 0)
	if err != nil {
		return 0, err
	}
	errs := make(chan error, writers)
	for w := range writers {
		go func() {
			for i := range commits {
				if err := h.commit(l, uint64(w)<<32|uint64(i)); err != nil {
					errs <- err
					return
				}
				if w == 0 && i%40 == 39 {
					if err := checkpoint(l, h); err != nil {
						errs <- err
						return
					}
				}
			}
			errs <- nil
		}()
	}
	for range writers {
		if werr := <-errs; werr != nil {
			err = werr
		}
	}
	if err == nil {
		err = l.Close()
	}
	mu.Lock()
	defer mu.Unlock()
	if fault == nil {
		fault = err
	}
	return states, fault
}

// checkpoint cuts the log as an engine does.
func checkpoint(l *Log, h *history) error {
	lsn, err := l.Rotate()
	if err != nil {
		return err
	}
	h.mu.Lock()
	h.snap = lsn - 1
	for k := range h.acked {
		if k <= h.snap {
			delete(h.acked, k)
		}
	}
	h.mu.Unlock()
	return l.DropBefore(lsn)
}

func crashOptions(class engines.Class) Options {
	return Options{Dir: "/data/log", Class: class, SegmentBytes: 32 << 10, BufferBytes: 16 << 10, KeepFree: 2}
}

func TestCrashStates(t *testing.T) {
	for _, buffered := range []bool{false, true} {
		for _, writers := range []int{1, 5} {
			t.Run(fmt.Sprintf("buffered=%t,writers=%d", buffered, writers), func(t *testing.T) {
				total := 0
				for round := range rounds(t, 3) {
					seed := patience.Seed(t) + uint64(round)
					o := crashOptions(engines.Sync)
					o.Buffered = buffered
					n, err := crashRun(o, seed, writers, 300/writers, nil)
					require.NoError(t, err, "seed %d", seed)
					total += n
				}
				t.Logf("%d crash states", total)
				require.Positive(t, total)
			})
		}
	}
}

// rounds returns n, or $WAL_CRASH_ROUNDS, or less with -short.
func rounds(t *testing.T, n int) int {
	if e, err := strconv.Atoi(os.Getenv("WAL_CRASH_ROUNDS")); err == nil {
		return e
	}
	if testing.Short() {
		return max(1, n/4)
	}
	return n
}

// lyingFS loses what it was told to sync.
type lyingFS struct {
	vfs.FS
	dirs bool // also SyncDir; else only files
}

func (f lyingFS) OpenFile(name string, flag vfs.Flag) (vfs.File, error) {
	if f.dirs {
		return f.FS.OpenFile(name, flag)
	}
	file, err := f.FS.OpenFile(name, flag&^vfs.DSync)
	return lyingFile{file}, err
}

func (f lyingFS) SyncDir(dir string) error {
	if f.dirs {
		return nil
	}
	return f.FS.SyncDir(dir)
}

type lyingFile struct{ vfs.File }

func (lyingFile) Sync() error { return nil }

// The judge of the crash tests finds a log whose syncs do nothing.
func TestCrashJudgeFindsMissingSyncs(t *testing.T) {
	for _, dirs := range []bool{false, true} {
		found := false
		for seed := uint64(0); seed < 20 && !found; seed++ {
			_, err := crashRun(crashOptions(engines.Sync), seed, 2, 100, func(m *vfs.Mem) vfs.FS { return lyingFS{m, dirs} })
			found = err != nil
		}
		require.True(t, found, "dirs=%t", dirs)
	}
}

// Under the weaker classes the death of the process loses nothing (Interval: what
// was not flushed), a power cut at most what was not synced, and neither leaves a hole.
func TestWeakCrashStates(t *testing.T) {
	for _, class := range []engines.Class{engines.None, engines.Process, engines.Interval} {
		for _, workers := range []int{1, 3} {
			t.Run(fmt.Sprint(class, workers), func(t *testing.T) {
				for round := range rounds(t, 3) {
					seed := patience.Seed(t) + uint64(round)
					require.NoError(t, weakRun(class, workers, seed), "seed %d", seed)
				}
			})
		}
	}
}

func weakRun(class engines.Class, workers int, seed uint64) error {
	rng := rand.New(rand.NewPCG(seed, 0))
	mem := vfs.NewMem()
	o := crashOptions(class)
	o.FS, o.ReplayWorkers = mem, workers
	if class == engines.Interval {
		o.Window = 1 << 40 // syncs only when told
	}
	l, _, _, err := replayAll(o, 0)
	if err != nil {
		return err
	}
	h := newHistory() // what the death of the process must leave
	synced := newHistory()
	if class == engines.Interval {
		h = synced
	}
	last := LSN(0)
	all := map[LSN]uint64{}
	for i := range 400 {
		nonce := uint64(i)
		h.issued[nonce], synced.issued[nonce] = true, true
		if last, err = l.Append(1, payload(nonce)); err != nil {
			return err
		}
		all[last] = nonce
		if class != engines.Interval {
			h.acked[last] = nonce
		}
		if rng.IntN(30) == 0 && class != engines.None {
			if err := l.Sync(); err != nil {
				return err
			}
			for k, v := range all {
				synced.acked[k] = v
			}
		}
		if rng.IntN(50) != 0 {
			continue
		}
		if err := verifyWeak(mem.Kill(), o, h); err != nil {
			return fmt.Errorf("kill after %d: %w", last, err)
		}
		if class == engines.None {
			continue
		}
		loss := vfs.Losses()[rng.IntN(len(vfs.Losses()))]
		if err := verifyWeak(mem.Crash(rng, loss), o, synced); err != nil {
			return fmt.Errorf("power cut (%s) after %d: %w", loss, last, err)
		}
		// Killed, reopened, then the power goes: what was recovered is durable then.
		killed := mem.Kill()
		ko := o
		ko.FS = killed
		kl, _, got, err := replayAll(ko, 0)
		if err != nil {
			return err
		}
		state := killed.Crash(rng, loss)
		if err := kl.Close(); err != nil {
			return err
		}
		recovered := h.copy()
		for k, p := range got {
			recovered.acked[k] = binary.LittleEndian.Uint64(p)
		}
		if err := verifyWeak(state, o, recovered); err != nil {
			return fmt.Errorf("power cut (%s) after kill at %d: %w", loss, last, err)
		}
	}
	return l.Close()
}

func verifyWeak(m *vfs.Mem, o Options, h *history) error {
	o.FS = m
	l, info, got, err := replayAll(o, 0)
	if err != nil {
		return err
	}
	if err := h.check(info, got); err != nil {
		return err
	}
	return l.Close()
}
