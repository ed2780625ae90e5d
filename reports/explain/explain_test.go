package explain

import (
	"testing"

	"github.com/stretchr/testify/require"

	"orbitbench/harness/result"
)

func TestEveryEntryIsWhole(t *testing.T) {
	seen := map[string]string{}
	for _, e := range Static() {
		require.NotEmpty(t, e.Name)
		require.Contains(t, Kinds, e.Kind, e.Name)
		require.Greater(t, len(e.Text), 60, "%s is not explained", e.Name)
		require.Equal(t, ".", e.Text[len(e.Text)-1:], "%s does not end as a sentence", e.Name)
		require.NotEmpty(t, e.Source, "%s has no source", e.Name)
		for _, n := range append([]string{e.Name}, e.Also...) {
			require.Empty(t, seen[plain(n)], "%q names %s and %s", n, e.Name, seen[plain(n)])
			seen[plain(n)] = e.Name
			found := Find(Static(), n)
			require.Len(t, found, 1)
			require.Equal(t, e.Name, found[0].Name)
		}
	}
}

func TestNamesAreFoundAsPeopleWriteThem(t *testing.T) {
	for typed, want := range map[string]string{"WRITE P99": "write_p99", "p99.9": "write_p999", "wr.amp": "write_amplification", "Kill-9": "process", "interval:10ms": "interval"} {
		found := Find(Static(), typed)
		require.Len(t, found, 1, typed)
		require.Equal(t, want, found[0].Name)
	}
	require.Empty(t, Find(Static(), "latenzy"))
}

func TestNearNamesAreOffered(t *testing.T) {
	require.Contains(t, Near(Static(), "recovry"), "recovery")
	require.Contains(t, Near(Static(), "snyc"), "sync")
	require.Contains(t, Near(Static(), "amplification"), "write_amplification")
	require.Empty(t, Near(Static(), "xylophone"))
	require.LessOrEqual(t, len(Near(Static(), "e")), 3)
}

func TestDistance(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want int
	}{{"", "", 0}, {"", "abc", 3}, {"kitten", "sitting", 3}, {"same", "same", 0}, {"ab", "ba", 2}} {
		require.Equal(t, c.want, distance(c.a, c.b), "%s %s", c.a, c.b)
		require.Equal(t, c.want, distance(c.b, c.a), "%s %s", c.b, c.a)
	}
}

func TestAnEngineSaysWhatItCannotGive(t *testing.T) {
	e := OfEngine(result.Engine{Name: "memory", Title: "Memory", Role: "baseline", Summary: "Keeps all in memory.", Configuration: "defaults",
		Classes: []string{"none"}, WhyNot: map[string]string{"sync": "nothing is written."}})
	require.Equal(t, "Memory (baseline). Keeps all in memory. Classes: none. Not sync: nothing is written. Configuration: defaults.", e.Text)
}
