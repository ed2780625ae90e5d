package crash

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAHistoryIsReadAsItWasWritten(t *testing.T) {
	w := newWorld(t, 3, 30)
	w.history.Base = []BaseRecord{{Record: Record{Key: []byte("old"), Version: 3, Digest: digestOf([]byte("x"))}, Present: true, Top: 9}}
	path := filepath.Join(t.TempDir(), "history.jsonl")
	require.NoError(t, w.history.Save(path))
	back, err := LoadHistory(path)
	require.NoError(t, err)
	require.Equal(t, w.history, back)
	require.Equal(t, 30, back.Acks())

	raw, err := os.ReadFile(path)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(path, raw[:len(raw)-9], 0o644))
	_, err = LoadHistory(path)
	require.ErrorContains(t, err, "line 61")
}

func TestAHistoryThatNoWorkerCouldTellIsRefused(t *testing.T) {
	for _, c := range []struct {
		says   string
		change func(h *History)
	}{
		{"ended before it began", func(h *History) { h.Events = h.Events[1:] }},
		{"issued step 1 after 1", func(h *History) { h.Events[2].Step = 1 }},
		{"the one in flight is 1", func(h *History) { h.Events[1].Step = 4 }},
		{"versions for", func(h *History) { h.Events[1].Versions = nil }},
		{"writer 9", func(h *History) { h.Events[0].Writer = 9 }},
	} {
		w := newWorld(t, 1, 10)
		c.change(w.history)
		_, err := NewModel(w.history)
		require.ErrorContains(t, err, c.says)
	}
}

// The script is the same for everybody, and its values are nobody else's.
func TestScriptsRepeat(t *testing.T) {
	l := &Load{Seed: 3, Writers: 2, Steps: 300, Sessions: 1}
	a, b, other := newScript(l, 0), newScript(l, 0), newScript(l, 1)
	kinds, seen := map[string]bool{}, map[Digest]bool{}
	for range 300 {
		st := a.next()
		require.Equal(t, st, b.next())
		require.NotEmpty(t, st.ops)
		for _, o := range append(st.ops, other.next().ops...) {
			kinds[o.ks.String()+string('0'+rune(o.kind))] = true
			if o.value != nil {
				require.False(t, seen[digestOf(o.value)])
				seen[digestOf(o.value)] = true
				require.LessOrEqual(t, len(o.value), maxValue+64)
			}
		}
	}
	require.Len(t, kinds, 9, "%v", kinds) // leases 3, nodes 1, pairs 4, points 1
}

func FuzzDecodeHistory(f *testing.F) {
	f.Add([]byte(`{"load":{"seed":1,"writers":1,"steps":3,"sessions":1}}` + "\n" + `{"k":"I","at":1,"ns":1,"s":1}` + "\n"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		h, err := decodeHistory(bytes.NewReader(raw))
		if err != nil || h.Load.Steps > 1000 || len(h.Base) > 1000 {
			return
		}
		m, err := NewModel(h)
		if err != nil {
			return
		}
		Judge(&Evidence{Model: m, At: End, Rules: Rules{Promise: All}, Found: Verified{Outcome: OutcomeOK}})
	})
}
