package arena

import (
	"encoding/binary"
	"errors"
	"sync"
	"testing"
)

// Pockets of several goroutines and the arena itself hand out blocks that do not
// overlap, and all that was handed out is counted once the pockets are empty.
func TestPocketsShareNothing(t *testing.T) {
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
			p := a.NewPocket()
			defer p.Empty()
			alloc := p.Alloc
			if lane == 0 {
				alloc = a.Alloc
			}
			for i := range perLane {
				n := sizes[(i+lane)%len(sizes)]
				r, err := alloc(n)
				if err != nil {
					t.Error(err)
					return
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

// A pocket keeps to the limit, and what it leaves is used by others.
func TestPocketKeepsToTheLimit(t *testing.T) {
	const limit = 5 << 20
	a, err := New(limit)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	p := a.NewPocket()
	if _, err := p.Alloc(224); err != nil {
		t.Fatal(err)
	}
	p.Empty()
	if a.UsedBytes() != 224 {
		t.Fatalf("%d bytes in use after one block", a.UsedBytes())
	}
	n := 1
	for ; ; n++ {
		if _, err := p.Alloc(224); errors.Is(err, ErrFull) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
	}
	if p.Empty(); a.UsedBytes() > limit || a.UsedBytes() != int64(n)*224 {
		t.Fatalf("%d blocks, %d bytes of %d", n, a.UsedBytes(), limit)
	}
	high := a.HeldBytes()
	if n < 4<<20/224 {
		t.Errorf("only %d blocks", n)
	}
	for a.UsedBytes()+224 <= limit {
		if _, err := a.Alloc(224); err != nil {
			t.Fatalf("room is left and is not used: %v", err)
		}
	}
	if a.HeldBytes() > max(high, limit+runBytes) {
		t.Errorf("%d bytes held", a.HeldBytes())
	}
}
