package cell

import (
	"context"
	"strings"
	"testing"
	"time"

	"orbitbench/harness/result"
	"orbitbench/workloads"
)

func openSliced(t *testing.T, engine string, config map[string]any) *Sliced {
	t.Helper()
	s := testSpec(t, engine, config)
	s.Kind = result.KindRenewal
	s.Params.Mix, s.Params.Loop, s.Params.Prefill, s.Params.RatePerS = map[string]float64{"renew": 1}, workloads.Closed, 1, 0
	sliced, err := OpenSliced(context.Background(), s, lookupTest)
	if err != nil {
		t.Fatal(err)
	}
	return sliced
}

// Two stores take turns, and each is judged at its end.
func TestSlicesTakeTurns(t *testing.T) {
	a, b := openSliced(t, "fake", nil), openSliced(t, "fake", map[string]any{"delay_us": 3000})
	for range 3 {
		quick, n, err := a.Slice(time.Millisecond, 2*time.Millisecond)
		if err != nil || n < 1 || quick <= 0 {
			t.Fatalf("%v ns of %d renewals, %v", quick, n, err)
		}
		slow, n, err := b.Slice(0, 2*time.Millisecond)
		if err != nil || n < 1 || slow < 3e6 {
			t.Fatalf("%v ns of %d renewals that take 3 ms at least, %v", slow, n, err)
		}
	}
	for _, s := range []*Sliced{a, b} {
		if err := s.Close(context.Background()); err != nil {
			t.Error(err)
		}
	}
}

// The checker behind a trial sees what the one behind a cell sees.
func TestSlicesOfABrokenEngineFail(t *testing.T) {
	s := openSliced(t, "fake", map[string]any{"lose": true})
	if _, _, err := s.Slice(0, time.Millisecond); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(context.Background()); err == nil || !strings.Contains(err.Error(), "is missing") {
		t.Errorf("%v, want a lost lease", err)
	}
	s = openSliced(t, "fake", map[string]any{"refuse": true})
	if _, _, err := s.Slice(0, time.Millisecond); err == nil || !strings.Contains(err.Error(), "renew conflict where a renewal was to succeed") {
		t.Errorf("%v, want a refused renewal", err)
	}
	if err := s.Close(context.Background()); err != nil {
		t.Error(err)
	}
}
