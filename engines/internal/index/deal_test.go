package index

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"orbitbench/engines"
	"orbitbench/engines/internal/arena"
	"orbitbench/engines/internal/wal"
)

// logOf makes operations as an engine would log them: keys are put, put again, deleted, and
// made again under ids that other keys had.
func logOf(ix *Index, rng *rand.Rand, n int) []Op {
	type at struct {
		id uint32
		v  engines.Version
	}
	here := map[string]at{}
	free := map[int][]uint32{}
	next := map[int]uint32{}
	last := engines.Version(0)
	var ops []Op
	for range n {
		key := fmt.Sprintf("key-%03d", rng.IntN(400))
		h := ix.hash(engines.Nodes, []byte(key))
		i := int(h >> 56)
		a, there := here[key]
		last++
		if there && rng.IntN(3) == 0 {
			ops = append(ops, Op{Kind: engines.OpDelete, Keyspace: engines.Nodes, ID: a.id, Version: last})
			free[i] = append(free[i], a.id)
			delete(here, key)
			continue
		}
		if !there {
			if f := free[i]; len(f) > 0 {
				a.id, free[i] = f[len(f)-1], f[:len(f)-1]
			} else {
				a.id = next[i]*Stripes + uint32(i)
				next[i]++
			}
		}
		a.v = last
		here[key] = a
		value := make([]byte, rng.IntN(300))
		for j := range value {
			value[j] = byte(last)
		}
		ops = append(ops, Op{Kind: engines.OpPut, Keyspace: engines.Nodes, ID: a.id, Version: last, Key: []byte(key), Value: value})
	}
	return ops
}

// replayInto deals ops out to two lanes, and ends the log at valid.
func replayInto(t *testing.T, ix *Index, ops []Op, valid int, place bool) {
	t.Helper()
	d := NewLanes(ix, 0, 2)
	if place {
		d.Begin(int64(len(ops)) * 400)
		if d.lanes[0].room == nil {
			t.Fatal("records are not placed")
		}
	}
	for begin := 0; begin < len(ops); begin += 1000 { // a round: each lane reads a segment of 500
		end := min(begin+1000, len(ops))
		for i := begin; i < end; i++ {
			d.AddTo((i-begin)/500, wal.LSN(i+1), &ops[i])
		}
		if err := d.Round(wal.LSN(min(end, valid))); err != nil {
			t.Fatal(err)
		}
		if end >= valid {
			return
		}
	}
}

func contents(ix *Index) map[string]string {
	all := map[string]string{}
	for i := range ix.stripes {
		ix.stripes[i].table.All(func(ref arena.Ref) bool {
			r := ix.rec(ref)
			all[string(r.key())] = fmt.Sprint(r.id(), r.version(), r.held(), r.value())
			return true
		})
	}
	return all
}

// Records that are written to their place while the log is read make the same index, in the
// same memory, as those that are copied first; so do those of records beyond the end of the log.
func TestPlacedRecordsAreTheSame(t *testing.T) {
	for seed := range uint64(6) {
		var got [2]map[string]string
		var used, live [2]int64
		var floor [2]engines.Version
		for i, place := range []bool{false, true} {
			ix, err := New(0, 99)
			if err != nil {
				t.Fatal(err)
			}
			ops := logOf(ix, rand.New(rand.NewPCG(seed, 1)), 3500)
			valid := len(ops) - int(seed)*217
			replayInto(t, ix, ops, valid, place)
			got[i], used[i], floor[i] = contents(ix), ix.UsedBytes(), ix.Highest()
			for s := range ix.stripes {
				live[i] += int64(ix.stripes[s].live)
			}
			if err := ix.Close(); err != nil {
				t.Fatal(err)
			}
		}
		if len(got[0]) == 0 || fmt.Sprint(got[0]) != fmt.Sprint(got[1]) {
			t.Fatalf("seed %d: placed records differ: %d and %d", seed, len(got[0]), len(got[1]))
		}
		if used[0] != used[1] || live[0] != live[1] || live[0] != int64(len(got[0])) || floor[0] != floor[1] {
			t.Errorf("seed %d: %d bytes, %d live, highest %d; placed: %d, %d, %d", seed, used[0], live[0], floor[0], used[1], live[1], floor[1])
		}
	}
}

// Without room for all that the log may hold records are not placed.
func TestNoPlacesWithoutRoom(t *testing.T) {
	ix, err := New(64<<20, 1)
	if err != nil {
		t.Fatal(err)
	}
	defer ix.Close()
	d := NewLanes(ix, 0, 2)
	if d.Begin(40 << 20); d.lanes[0].room != nil {
		t.Error("40 MiB of log are placed in 64 MiB")
	}
	if d.Begin(10 << 20); d.lanes[0].room == nil {
		t.Error("10 MiB of log are not placed in 64 MiB")
	}
}

// A snapshot that was taken while writers went on can hold a key under an id that it had no more,
// and an id with the key that had it before: the higher version is the later one, for placed records too.
func TestPlacedRecordsOverAnOlderSnapshot(t *testing.T) {
	key := func(ix *Index, n int) []byte { // the n-th key of stripe 7
		for i := 0; ; i++ {
			k := fmt.Appendf(nil, "key-%d", i)
			if ix.hash(engines.Nodes, k)>>56 != 7 {
				continue
			}
			if n--; n < 0 {
				return k
			}
		}
	}
	put := func(k []byte, local uint32, v engines.Version) Op {
		return Op{Kind: engines.OpPut, Keyspace: engines.Nodes, ID: local*Stripes + 7, Version: v, Key: k, Value: []byte{byte(v)}}
	}
	for name, then := range map[string]func(a, b []byte) (Op, map[string]engines.Version){
		"key under another id": func(a, b []byte) (Op, map[string]engines.Version) {
			return put(a, 1, 7), map[string]engines.Version{string(a): 7}
		},
		"id of another key": func(a, b []byte) (Op, map[string]engines.Version) {
			return put(b, 0, 7), map[string]engines.Version{string(b): 7}
		},
		"key under another id, older": func(a, b []byte) (Op, map[string]engines.Version) {
			return put(a, 1, 3), map[string]engines.Version{string(a): 5}
		},
		"id of another key, older": func(a, b []byte) (Op, map[string]engines.Version) {
			return put(b, 0, 3), map[string]engines.Version{string(a): 5}
		},
	} {
		for _, place := range []bool{false, true} {
			ix, err := New(0, 99)
			if err != nil {
				t.Fatal(err)
			}
			a, b := key(ix, 0), key(ix, 1)
			op, want := then(a, b)
			replayInto(t, ix, []Op{put(a, 0, 5)}, 1, false)
			used := ix.UsedBytes()
			replayInto(t, ix, []Op{op}, 1, place)
			got := map[string]engines.Version{}
			ix.stripes[7].table.All(func(ref arena.Ref) bool {
				got[string(ix.rec(ref).key())] = ix.rec(ref).version()
				return true
			})
			if fmt.Sprint(got) != fmt.Sprint(want) || ix.UsedBytes() != used || ix.stripes[7].live != 1 {
				t.Errorf("%s, placed %t: %v, want %v; %d bytes instead of %d, %d live", name, place, got, want, ix.UsedBytes(), used, ix.stripes[7].live)
			}
			if err := ix.Close(); err != nil {
				t.Fatal(err)
			}
		}
	}
}
