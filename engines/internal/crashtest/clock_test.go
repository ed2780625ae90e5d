package crashtest

import (
	"testing"
	"time"
)

// What the test itself takes is no time of the engine, and a stall counts before it is over.
func TestClock(t *testing.T) {
	var now time.Duration
	c := &clock{now: func() time.Duration { return now }}
	now = 10 * time.Millisecond
	release := c.hold()
	now = 50 * time.Millisecond
	if got := c.read(); got != 10*time.Millisecond {
		t.Errorf("%v while held at 10ms", got)
	}
	release()
	now = 55 * time.Millisecond
	if got := c.read(); got != 15*time.Millisecond {
		t.Errorf("%v, 5ms after a hold at 10ms", got)
	}
	c.beat.Store(int64(20 * time.Millisecond))
	if got := c.overslept(); got != 33*time.Millisecond {
		t.Errorf("overslept %v, 35ms after the last beat", got)
	}
	c.lag.Store(int64(time.Second))
	if got := c.overslept(); got != time.Second {
		t.Errorf("overslept %v, 1s was seen before", got)
	}
}

// The window of class interval ends where the latest acknowledgement begins.
func TestLatest(t *testing.T) {
	acked := []progress{{begun: 3 * time.Second}, {begun: 5 * time.Second}, {}}
	if got := latest(acked); got != 5*time.Second {
		t.Errorf("%v, want 5s", got)
	}
	if got := latest(nil); got != 0 {
		t.Errorf("%v of nobody", got)
	}
}

// What was known at a time is what was entered by then.
func TestLedgerAt(t *testing.T) {
	var now time.Duration
	l := newLedger(1, func() time.Duration { return now })
	for step := range 5 {
		now = time.Duration(step) * time.Second
		l.update(0, func(p *progress) { p.acked = step })
	}
	for at, want := range map[time.Duration]int{-1: 0, 0: 0, 1500 * time.Millisecond: 1, 4 * time.Second: 4, time.Hour: 4} {
		if got := l.at(at)[0].acked; got != want {
			t.Errorf("at %v: %d acknowledged, want %d", at, got, want)
		}
	}
}
