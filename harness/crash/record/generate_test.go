package record

import (
	"bytes"
	"context"
	"encoding/json"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// numbered gives operations their numbers and stamps, one after the other.
func numbered(ops ...Op) []Op {
	for i := range ops {
		ops[i].ID, ops[i].Begin, ops[i].End = uint64(i)+1, uint64(2*i)+1, uint64(2*i)+2
	}
	return ops
}

// tiny is a journal with few pending operations at any time.
func tiny(model string) *recording {
	const mode = syscall.S_IFREG | 0o644
	ops := numbered(
		Op{Kind: Create, Ino: 2, Dir: rootIno, Name: "a", Mode: mode},
		Op{Kind: Write, Ino: 2, Len: 3, Data: []byte("one")},
		Op{Kind: Sync, Ino: 2},
		Op{Kind: SyncDir, Ino: rootIno},
		Op{Kind: Create, Ino: 3, Dir: rootIno, Name: "b", Mode: mode},
		Op{Kind: Write, Ino: 3, Len: 3, Data: []byte("two")},
		Op{Kind: Rename, Ino: 3, Dir: rootIno, Name: "b", NewDir: rootIno, NewName: "a", Replaces: 2, Mode: mode},
		Op{Kind: Truncate, Ino: 3, Off: 1},
	)
	return newRecording(model, "", "", newTree(), ops, nil, 100)
}

// brute lists the content of every state of a journal that loses whole operations, from the
// definition: in order, any subset of what is not durable.
func brute(r *recording) map[uint64]bool {
	contents := map[uint64]bool{}
	for _, p := range points(r.ops, r.end, Options{}) {
		var begun []int
		for i := range r.ops {
			if r.ops[i].Begin < p.at && !r.ops[i].sync() {
				begun = append(begun, i)
			}
		}
		for set := range 1 << len(begun) {
			t, fits := newTree(), true
			for k, i := range begun {
				if set>>k&1 == 0 {
					t.apply(&r.ops[i], -1)
				} else if r.from[i] <= p.at {
					fits = false // durable
				}
			}
			if fits {
				contents[t.hash()] = true
			}
		}
	}
	return contents
}

func TestExhaustiveWherePendingAreFew(t *testing.T) {
	r := tiny(Posix)
	expected := brute(r)
	got := map[uint64]bool{}
	for s := range r.States(Options{States: 1 << 14}) {
		if len(s.Torn) == 0 {
			got[s.Content] = true
		} else {
			delete(expected, s.Content) // a tear may look the same, and came first
		}
	}
	for c := range expected {
		require.True(t, got[c], "a state is missing")
	}
	require.Greater(t, len(got), 8)
}

// ext4 never loses metadata before what came first, nor the data of what replaced a file.
func TestExt4KeepsOrder(t *testing.T) {
	r := tiny(Ext4Model)
	n := 0
	for s := range r.States(Options{States: 1000}) {
		n++
		renamed := s.At > r.ops[6].Begin && !slices.Contains(s.Lost, 7)
		if renamed {
			require.NotContains(t, s.Lost, uint64(5), r.Describe(s))
			require.NotContains(t, s.Lost, uint64(6), r.Describe(s))
		}
	}
	require.Greater(t, n, 8)
}

func TestStatesAreDeterministicDistinctAndReplayable(t *testing.T) {
	for _, model := range []string{Posix, Ext4Model, disk} {
		r := random(model, 300)
		o := Options{Seed: 3, States: 200}
		list := slices.Collect(r.States(o))
		require.Len(t, list, 200, model)
		again := slices.Collect(r.States(o))
		seen := map[uint64]bool{}
		for i, s := range list {
			require.Equal(t, [2]uint64{s.At, s.Content}, [2]uint64{again[i].At, again[i].Content})
			require.False(t, seen[s.Content], "given out twice")
			seen[s.Content] = true
			text, err := json.Marshal(s)
			require.NoError(t, err)
			var back State
			require.NoError(t, json.Unmarshal(text, &back))
			rebuilt, err := r.rebuild(back)
			require.NoError(t, err)
			require.Equal(t, s.Content, rebuilt.hash(), "%s: %s", model, r.Describe(s))
		}
		for s := range r.States(Options{States: 50, From: 100, To: 200}) {
			require.True(t, s.At > 100 && s.At <= 200)
		}
	}
}

// random is a long journal on a few files with few syncs.
func random(model string, n int) *recording {
	rng := rand.New(rand.NewPCG(1, 2))
	var ops []Op
	for ino := uint64(2); ino < 6; ino++ {
		ops = append(ops, Op{Kind: Create, Ino: ino, Dir: rootIno, Name: string(rune('a' + ino)), Mode: syscall.S_IFREG | 0o644})
	}
	for len(ops) < n {
		ino := 2 + rng.Uint64N(4)
		switch rng.IntN(12) {
		case 0:
			ops = append(ops, Op{Kind: Sync, Ino: ino})
		case 1:
			ops = append(ops, Op{Kind: SyncDir, Ino: rootIno})
		case 2:
			ops = append(ops, Op{Kind: Truncate, Ino: ino, Off: rng.Int64N(3 * unit)})
		default:
			data := bytes.Repeat([]byte{byte(len(ops))}, 1+rng.IntN(2000))
			ops = append(ops, Op{Kind: Write, Ino: ino, Off: rng.Int64N(4)*unit + rng.Int64N(2000), Len: int64(len(data)), Data: data, Durable: rng.IntN(9) == 0})
		}
	}
	return newRecording(model, "", "", newTree(), numbered(ops...), nil, uint64(2*len(ops)+5))
}

// Several verifiers make states of one recording at a time.
func TestConcurrentUse(t *testing.T) {
	r := random(Posix, 100)
	r.dir = t.TempDir()
	var wg sync.WaitGroup
	for s := range r.States(Options{States: 20}) {
		for _, s := range []State{s, {At: s.At, Lost: s.Lost, Torn: s.Torn, Model: s.Model}} {
			wg.Go(func() {
				_, done, err := r.Materialize(context.Background(), s)
				if assert.NoError(t, err) {
					assert.NoError(t, done())
				}
			})
		}
	}
	wg.Wait()
}

// Stamps of the caller between two crashes of equal content make two states of them.
func TestMarksTellStatesApart(t *testing.T) {
	r := tiny(Posix)
	without := len(slices.Collect(r.States(Options{States: 1000})))
	with := len(slices.Collect(r.States(Options{States: 1000, Mark: func(at uint64) int { return int(at / 4) }})))
	require.Greater(t, with, without)
}

func TestShrinkFindsTheLeastSet(t *testing.T) {
	r := random(Posix, 120)
	for s := range r.States(Options{Seed: 5, States: 400}) {
		if len(s.Lost) < 8 {
			continue
		}
		culprits := []uint64{s.Lost[1], s.Lost[6]}
		least, err := r.Shrink(context.Background(), s, func(s State) (bool, error) {
			return slices.Contains(s.Lost, culprits[0]) && slices.Contains(s.Lost, culprits[1]), nil
		})
		require.NoError(t, err)
		require.Equal(t, culprits, least.Lost)
		require.Empty(t, least.Torn)
		require.True(t, strings.HasPrefix(r.Describe(least), "cut "))
		return
	}
	t.Fatal("no state lost eight operations")
}

func TestRefusesStatesOfAnotherRecording(t *testing.T) {
	r := tiny(Posix)
	for _, s := range []State{
		{At: 50, Model: Ext4Model},
		{At: 50, Model: Posix, Lost: []uint64{1}}, // durable by then
		{At: 50, Model: Posix, Lost: []uint64{99}},
		{At: 50, Model: Posix, Torn: []Tear{{Op: 7, Keep: 1}}},
	} {
		_, err := r.rebuild(s)
		require.Error(t, err, "%+v", s)
	}
}

func TestSaveAndLoad(t *testing.T) {
	for _, model := range []string{Posix, Ext4Model} {
		r := random(model, 80)
		r.marks = []uint64{3, 9}
		dir := t.TempDir()
		require.NoError(t, r.Save(dir))
		back, err := Load(dir, t.TempDir())
		require.NoError(t, err)
		require.Equal(t, r.ops, back.(*recording).ops)
		o := Options{Seed: 1, States: 50}
		a, b := slices.Collect(r.States(o)), slices.Collect(back.States(o))
		require.Len(t, b, len(a))
		for i := range a {
			require.Equal(t, a[i].Content, b[i].Content)
		}
	}
}

// Whatever is decoded can be encoded again, and gives states without a panic.
func FuzzDecode(f *testing.F) {
	var b bytes.Buffer
	require.NoError(f, tiny(Posix).encode(&b))
	f.Add(b.Bytes())
	f.Add([]byte(`{"format":"orbitbench recording","version":2}`))
	f.Add([]byte(`{"format":"orbitbench recording","version":1,"model":"disk","nodes":1,"ops":0}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := decode(bytes.NewReader(data))
		if err != nil {
			return
		}
		var out bytes.Buffer
		require.NoError(t, r.encode(&out))
		again, err := decode(&out)
		require.NoError(t, err)
		require.Equal(t, r.ops, again.ops)
		for range r.States(Options{States: 20}) {
		}
	})
}
