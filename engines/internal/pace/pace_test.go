package pace

import (
	"testing"
	"testing/synctest"
	"time"
)

const step = grain

// work does some work in many steps beside commits, and returns how long that took.
func work(p *Pace, steps int, step time.Duration, commit func()) time.Duration {
	begin := time.Now()
	for range steps {
		time.Sleep(step) // in a bubble: exactly as long
		commit()
		p.Rest()
	}
	return time.Since(begin)
}

func TestShare(t *testing.T) {
	for _, c := range []struct {
		share float64
		step  time.Duration
		want  time.Duration // for 100 steps
	}{
		{1, step, 100 * step},
		{0.25, step, 400 * step},
		{0.25, grain / 4, 100 * grain}, // it rests at every fourth step
		{0.25, 10 * grain, 1000*grain + 100*longest},
	} {
		synctest.Test(t, func(t *testing.T) {
			var log uint64
			p := New(c.share, func() uint64 { return log }, 1<<40)
			if got := work(p, 100, c.step, func() { log += 64 }); got != c.want {
				t.Errorf("100 steps of %v at a share of %v took %v, want %v", c.step, c.share, got, c.want)
			}
		})
	}
}

// TestNobodyCommits: it rests for a while after the last commit, and no more.
func TestNobodyCommits(t *testing.T) {
	for commits, rests := range map[int]int{0: 0, 1: int(quiet / (2 * step)), 3: int(quiet/(2*step)) + 2} {
		synctest.Test(t, func(t *testing.T) {
			log := 0
			p := New(0.5, func() uint64 { return uint64(log) }, 1<<40)
			got := work(p, 1000, step, func() { log = min(log+1, commits) })
			if want := time.Duration(1000+rests) * step; got != want {
				t.Errorf("with %d commits 1000 steps of %v took %v, want %v", commits, step, got, want)
			}
		})
	}
}

// TestBound: a log that has grown too long ends all rests.
func TestBound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log uint64
		p := New(0.5, func() uint64 { return log }, 500)
		got := work(p, 1000, step, func() { log++ })
		if want := 1500 * step; got != want {
			t.Errorf("it took %v, want %v", got, want)
		}
	})
}

func TestNil(t *testing.T) {
	var p *Pace
	p.Rest()
}
