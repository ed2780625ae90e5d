package arena

import (
	"errors"
	"testing"
)

func TestClassesCoverEverySize(t *testing.T) {
	last := -1
	for n := 1; n <= MaxBlock; n++ {
		c := classOf(n)
		if c != last && c != last+1 {
			t.Fatalf("class of %d bytes is %d after %d", n, c, last)
		}
		if size := classBytes(c); size < n || n > smallLimit && size-n > n/7 || size%unit != 0 {
			t.Fatalf("block for %d bytes has %d", n, size)
		}
		last = c
		if n > 1<<16 && n&1023 == 1 {
			n += 1021 // every boundary is still met from both sides
		}
	}
	if last != numClasses-1 {
		t.Fatalf("last class is %d of %d", last, numClasses)
	}
}

func TestAllocFreeReuseAndLimit(t *testing.T) {
	a, err := New(1 << 20)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	var refs []Ref
	for {
		r, err := a.Alloc(200)
		if errors.Is(err, ErrFull) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		b := a.Bytes(r, 200)
		for i := range b {
			b[i] = byte(len(refs))
		}
		refs = append(refs, r)
	}
	if want := 1 << 20 / 208; len(refs) != want {
		t.Fatalf("%d blocks of 208 bytes in 1 MiB, want %d", len(refs), want)
	}
	for i, r := range refs {
		for _, c := range a.Bytes(r, 200) {
			if c != byte(i) {
				t.Fatalf("block %d was overwritten by another", i)
			}
		}
		a.Free(r, 208)
	}
	if a.UsedBytes() != 0 {
		t.Fatalf("%d bytes in use after all was freed", a.UsedBytes())
	}
	for range refs {
		if _, err := a.Alloc(195); err != nil {
			t.Fatalf("freed blocks are not reused: %v", err)
		}
	}
}

func TestLargeBlocksGiveMemoryBack(t *testing.T) {
	a, err := New(0)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	r, err := a.Alloc(MaxBlock)
	if err != nil {
		t.Fatal(err)
	}
	b := a.Bytes(r, MaxBlock)
	b[MaxBlock/2] = 1
	a.Free(r, MaxBlock)
	if b[MaxBlock/2] != 0 {
		t.Error("a freed large block kept its pages")
	}
	if again, err := a.Alloc(MaxBlock); err != nil || again != r {
		t.Errorf("a freed large block is not reused: %d, %v", again, err)
	}
}

// TestHashIsFixed: positions in files depend on it.
func TestHashIsFixed(t *testing.T) {
	for _, c := range []struct {
		key  string
		want uint64
	}{{"", 0xbd9caafc7f2d5560}, {"a", 0xc654d7f1f7a6fca1}, {"0123456789abcdef-actor-type", 0xf81fc46895e9d774}} {
		if got := Hash(7, []byte(c.key)); got != c.want {
			t.Errorf("Hash(7, %q) = %#x, want %#x: stores written before cannot be read", c.key, got, c.want)
		}
	}
}

func TestHashSpreads(t *testing.T) {
	var buckets [256]int
	key := []byte("0000000000000000worker")
	const n = 1 << 16
	for i := range n {
		key[0], key[1] = byte(i), byte(i>>8)
		buckets[Hash(3, key)>>56]++
	}
	for i, c := range buckets {
		if c < n/256/2 || c > n/256*2 {
			t.Errorf("bucket %d has %d of %d keys", i, c, n)
		}
	}
}

// A run is divided into blocks that Free takes and Alloc gives out again; what was
// promised cannot be taken by others.
func TestRun(t *testing.T) {
	a, err := New(1 << 20)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	const blocks = 100
	size := BlockBytes(200)
	if err := a.Promise(int64(blocks * size)); err != nil {
		t.Fatal(err)
	}
	if err := a.Promise(1 << 20); !errors.Is(err, ErrFull) {
		t.Fatalf("more than the limit is promised: %v", err)
	}
	taken := 0
	for ; ; taken++ {
		if _, err := a.Alloc(200); err != nil {
			break
		}
	}
	if want := (1<<20 - blocks*size) / size; taken != want {
		t.Fatalf("%d blocks beside the promise, want %d", taken, want)
	}
	r, err := a.AllocRun(int64(blocks * size))
	if err != nil {
		t.Fatal(err)
	}
	if int64(r)*unit%4096 != 0 {
		t.Fatalf("the run begins at unit %d, which is no page", r)
	}
	seen := map[Ref]bool{}
	for i := range blocks {
		a.Free(r.At(i*size), 200)
		seen[r.At(i*size)] = true
	}
	for range blocks {
		b, err := a.Alloc(200)
		if err != nil || !seen[b] {
			t.Fatalf("block %d, %v: not one of the run", b, err)
		}
		delete(seen, b)
	}
}
