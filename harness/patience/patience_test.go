package patience

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// recorder is a test that takes note of what it is told.
type recorder struct {
	testing.TB
	logs, errors []string
}

func (r *recorder) Helper()                           {}
func (r *recorder) Logf(format string, args ...any)   { r.logs = append(r.logs, format) }
func (r *recorder) Errorf(format string, args ...any) { r.errors = append(r.errors, format) }

func TestOneGoodAttemptIsEnough(t *testing.T) {
	r := &recorder{TB: t}
	var numbers []int
	try(r, 0, func(a *T) {
		numbers = append(numbers, a.Number)
		require.Equal(a, 2, a.Number, "ends the attempt")
		numbers = append(numbers, 99)
	})
	require.Equal(t, []int{0, 1, 2, 99}, numbers)
	require.Len(t, r.logs, 2, "each failure is told")
	require.Empty(t, r.errors)
}

func TestWhatIsWrongFails(t *testing.T) {
	for name, fail := range map[string]func(a *T){
		"Error":   func(a *T) { a.Error("x") },
		"Errorf":  func(a *T) { a.Errorf("x") },
		"Fatal":   func(a *T) { a.Fatal("x") },
		"Fatalf":  func(a *T) { a.Fatalf("x") },
		"FailNow": func(a *T) { a.FailNow() },
		"Fail":    func(a *T) { a.Fail() },
	} {
		r := &recorder{TB: t}
		n := 0
		try(r, 0, func(a *T) { n++; fail(a); require.True(a, strings.HasPrefix(name, "E") || name == "Fail") })
		require.Equal(t, Attempts, n, name)
		require.Len(t, r.errors, 1, name)
	}
}

func TestSeed(t *testing.T) {
	t.Setenv(SeedVariable, "")
	require.EqualValues(t, 1, Seed(t))
	t.Setenv(SeedVariable, "42")
	require.EqualValues(t, 42, Seed(t))
	t.Setenv(SeedVariable, "random")
	require.NotEqual(t, Seed(t), Seed(t))
}

func TestCleanupsRunAtTheEndOfEachAttempt(t *testing.T) {
	r := &recorder{TB: t}
	var order []int
	try(r, 0, func(a *T) {
		a.Cleanup(func() { order = append(order, 1) })
		a.Cleanup(func() { order = append(order, 2); require.Equal(a, 1, a.Number, "fails the attempt") })
		if a.Number == 2 {
			t.Error("a third attempt")
		}
	})
	require.Equal(t, []int{2, 1, 2, 1}, order)
	require.Empty(t, r.errors)
}
