package arena

import (
	"encoding/binary"
	"sync"
	"testing"
)

// Runs of several goroutines and the arena itself hand out blocks that do not overlap, and
// all that was handed out is counted once the runs are closed.
func TestRunsShareNothing(t *testing.T) {
	a, err := New(0)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	const perLane, lanes = 30_000, 4
	refs := make([][]Ref, lanes)
	sizes := []int{16, 200, 216, 224, 1024, 1100, 5000}
	var wg sync.WaitGroup
	for lane := range lanes {
		wg.Go(func() {
			promised := int64(lane) * 10 << 20 // less than the lane wants: the rest comes from the arena
			if err := a.Promise(promised); err != nil {
				t.Error(err)
				return
			}
			run, err := a.NewRun(promised)
			if err != nil {
				t.Error(err)
				return
			}
			defer run.Close()
			for i := range perLane {
				n := sizes[(i+lane)%len(sizes)]
				r := run.Cut(n)
				if r == 0 {
					if r, err = a.Alloc(n); err != nil {
						t.Error(err)
						return
					}
				}
				b := a.Bytes(r, BlockBytes(n))
				binary.LittleEndian.PutUint64(b, uint64(lane)<<32|uint64(i))
				binary.LittleEndian.PutUint64(b[len(b)-8:], uint64(lane)<<32|uint64(i))
				refs[lane] = append(refs[lane], r)
				if i%5 == 4 { // freed blocks go from one to the other
					a.Free(r, n)
					refs[lane][i] = 0
				}
			}
		})
	}
	wg.Wait()
	used := int64(0)
	for lane := range lanes {
		for i, r := range refs[lane] {
			if r == 0 {
				continue
			}
			size := BlockBytes(sizes[(i+lane)%len(sizes)])
			used += int64(size)
			b := a.Bytes(r, size)
			want := uint64(lane)<<32 | uint64(i)
			if head, end := binary.LittleEndian.Uint64(b), binary.LittleEndian.Uint64(b[size-8:]); head != want || end != want {
				t.Fatalf("block %d of lane %d was overwritten: %x, %x", i, lane, head, end)
			}
		}
	}
	if a.UsedBytes() != used {
		t.Errorf("%d bytes count as used, %d are", a.UsedBytes(), used)
	}
}

// A promise keeps to the limit, holds against others, and what a run leaves is used by them.
func TestRunsKeepToTheLimit(t *testing.T) {
	const limit, promised = 5 << 20, 2 << 20
	a, err := New(limit)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	if err := a.Promise(promised); err != nil {
		t.Fatal(err)
	}
	others := 0
	for {
		if _, err := a.Alloc(224); err != nil {
			break
		}
		others++
	}
	run, err := a.NewRun(promised)
	if err != nil {
		t.Fatalf("what was promised is not there: %v", err)
	}
	for range 100 {
		if run.Cut(224) == 0 {
			t.Fatal("the run has less than was promised")
		}
	}
	if run.Close(); a.UsedBytes() != int64(others+100)*224 {
		t.Fatalf("%d and 100 blocks, %d bytes", others, a.UsedBytes())
	}
	high := a.HeldBytes()
	for a.UsedBytes()+224 <= limit {
		if _, err := a.Alloc(224); err != nil {
			t.Fatalf("room is left and is not used: %v", err)
		}
	}
	if a.HeldBytes() > high {
		t.Errorf("%d bytes held, %d before what the run left was used", a.HeldBytes(), high)
	}
	if err := a.Promise(224); err == nil {
		t.Error("more than the limit was promised")
	}
	if a.Break(224); a.Promise(224) != nil {
		t.Error("a promise was not taken back")
	}
}
