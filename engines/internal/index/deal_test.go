package index

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"orbitbench/engines"
	"orbitbench/engines/internal/arena"
	"orbitbench/engines/internal/vfs"
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

// replayInto writes a log of the operations, one by record, opens it, and deals out what it holds up to valid
// as two goroutines do that read segments in any order.
func replayInto(t *testing.T, ix *Index, ops []Op, valid int) error {
	t.Helper()
	o := wal.Options{FS: vfs.NewMem(), Dir: "log", Class: engines.Process, SegmentBytes: 16 << 10}
	log, _, err := wal.Open(context.Background(), o, 0, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := range ops {
		if _, err := log.Append(1, AppendOp(nil, &ops[i])); err != nil {
			t.Fatal(err)
		}
	}
	if err := log.Close(); err != nil {
		t.Fatal(err)
	}
	d := NewDealer(ix, 0, 2, func(err error) error { return err })
	o.Text = d.Text()
	var segments [][]wal.Record
	log, _, err = wal.Open(context.Background(), o, 0, func(_ int, r wal.Record) error {
		for len(segments) <= r.Segment {
			segments = append(segments, nil)
		}
		segments[r.Segment] = append(segments[r.Segment], r)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	const round = 6
	for begin := 0; begin < len(segments); begin += round {
		batch := segments[begin:min(begin+round, len(segments))]
		for i := len(batch) - 1; i >= 0; i-- {
			for _, r := range batch[i] {
				d.Add(i/2%2, &r, 0, &ops[r.LSN-1])
			}
		}
		last := batch[len(batch)-1]
		end := int(last[len(last)-1].LSN)
		if err := d.Round(wal.LSN(min(end, valid))); err != nil || end >= valid {
			return err
		}
	}
	return nil
}

// state is what is left of a log up to valid.
func state(ops []Op) map[string]string {
	keys := map[uint32]string{}
	all := map[string]string{}
	for _, o := range ops {
		if o.Kind == engines.OpDelete {
			delete(all, keys[o.ID])
			continue
		}
		keys[o.ID] = string(o.Key)
		all[string(o.Key)] = fmt.Sprint(o.ID, o.Version, false, o.Value)
	}
	return all
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

// What a log says is what is in memory once the stripes have come in, whether they do so later or, for
// want of room to promise, during replay; and what lies behind the end of the log is not.
func TestDealtOutIsWhatTheLogSays(t *testing.T) {
	for seed := range uint64(6) {
		var used [2]int64
		for i, limit := range []int64{0, 256 << 10} {
			ix, err := New(limit, 99)
			if err != nil {
				t.Fatal(err)
			}
			ops := logOf(ix, rand.New(rand.NewPCG(seed, 1)), 3500)
			valid := len(ops) - int(seed)*217
			if err := replayInto(t, ix, ops, valid); err != nil {
				t.Fatal(err)
			}
			if away := ix.Away(); (away == 0) != (limit > 0) {
				t.Fatalf("limit %d: %d stripes are away", limit, away)
			}
			highest := ix.Highest()
			if err := ix.LoadAll(context.Background()); err != nil {
				t.Fatal(err)
			}
			want := state(ops[:valid])
			if got := contents(ix); len(got) == 0 || fmt.Sprint(got) != fmt.Sprint(want) {
				t.Errorf("seed %d, limit %d: %d records, want %d, or other ones", seed, limit, len(got), len(want))
			}
			live := uint64(0)
			for s := range ix.stripes {
				live += ix.stripes[s].live
			}
			if used[i] = ix.UsedBytes(); live != uint64(len(want)) || highest != ops[valid-1].Version || ix.Highest() != highest {
				t.Errorf("seed %d, limit %d: %d live of %d, highest %d, then %d, want %d", seed, limit, live, len(want), highest, ix.Highest(), ops[valid-1].Version)
			}
			if err := ix.Close(); err != nil {
				t.Fatal(err)
			}
		}
		if used[0] != used[1] {
			t.Errorf("seed %d: %d bytes in use, %d where stripes came in at once", seed, used[0], used[1])
		}
	}
}

// A store that does not fit is full when it is opened, not when it is read.
func TestReplayIntoTooLittle(t *testing.T) {
	ix, err := New(16<<10, 99)
	if err != nil {
		t.Fatal(err)
	}
	defer ix.Close()
	if err := replayInto(t, ix, logOf(ix, rand.New(rand.NewPCG(1, 1)), 3500), 3500); !errors.Is(err, engines.ErrFull) {
		t.Errorf("%v, want %v", err, engines.ErrFull)
	}
}

// A snapshot that was taken while writers went on can hold a key under an id that it had no more,
// and an id with the key that had it before: the higher version is the later one.
func TestReplayOverAnOlderSnapshot(t *testing.T) {
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
		for _, in := range []bool{false, true} { // the stripe is in memory before the operation comes
			ix, err := New(0, 99)
			if err != nil {
				t.Fatal(err)
			}
			a, b := key(ix, 0), key(ix, 1)
			op, want := then(a, b)
			ops := []Op{put(a, 0, 5), op}
			if in {
				if err := errors.Join(replayInto(t, ix, ops[:1], 1), ix.LoadAll(context.Background())); err != nil {
					t.Fatal(err)
				}
				ops = ops[1:]
			}
			if err := errors.Join(replayInto(t, ix, ops, len(ops)), ix.LoadAll(context.Background())); err != nil {
				t.Fatal(err)
			}
			got := map[string]engines.Version{}
			ix.stripes[7].table.All(func(ref arena.Ref) bool {
				got[string(ix.rec(ref).key())] = ix.rec(ref).version()
				return true
			})
			if fmt.Sprint(got) != fmt.Sprint(want) || ix.UsedBytes() != int64(BlockBytes(&op)) || ix.stripes[7].live != 1 {
				t.Errorf("%s, in %t: %v, want %v; %d bytes, %d live", name, in, got, want, ix.UsedBytes(), ix.stripes[7].live)
			}
			if err := ix.Close(); err != nil {
				t.Fatal(err)
			}
		}
	}
}
