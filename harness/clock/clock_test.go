package clock

import (
	"testing"
	"time"
)

func TestFollowsTheMonotonicClock(t *testing.T) {
	c, begin := New(), time.Now()
	for last := int64(0); time.Since(begin) < 20*time.Millisecond; {
		now := c.Now()
		if now < last {
			t.Fatalf("went back from %d to %d", last, now)
		}
		last = now
	}
	before := time.Since(begin)
	now := c.Now()
	if after := time.Since(begin) + time.Since(c.Begin()) - before; now < int64(before) || now > int64(after)+int64(time.Minute) {
		t.Errorf("%d ns where time.Since says %v", now, before)
	}
	if d := time.Now().UnixNano() - c.Wall(c.Now()); d < -60e9 || d > 60e9 {
		t.Errorf("wall time is %d ns off", d)
	}
}

func BenchmarkNow(b *testing.B) {
	c := New()
	for b.Loop() {
		c.Now()
	}
}

func BenchmarkSince(b *testing.B) {
	begin := time.Now()
	for b.Loop() {
		time.Since(begin)
	}
}
