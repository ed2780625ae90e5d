package adapter

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"orbitbench/engines"
)

// closedBit is set in Gate.state once Close has begun; the bits below it count
// the calls inside.
const closedBit = 1 << 62

// stuckAfter is how long Close waits for calls inside an engine that has failed.
const stuckAfter = 2 * time.Second

// Gate lets calls into an engine until it is closed or has failed. The zero
// value is not usable: see NewGate.
type Gate struct {
	state atomic.Int64
	cause atomic.Pointer[error]
	idle  chan struct{} // a token when the last call left a closed gate; never closed
}

// NewGate returns an open gate.
func NewGate() *Gate { return &Gate{idle: make(chan struct{}, 1)} }

// Enter begins a call, which must end with Leave if the error is nil. Its
// errors are ErrClosed and ErrFailed.
func (g *Gate) Enter() error {
	if g.state.Add(1) >= closedBit {
		g.Leave()
		return engines.ErrClosed
	}
	if err := g.Failure(); err != nil {
		g.Leave()
		return err
	}
	return nil
}

// Admit is Enter for a call whose context has not ended.
func (g *Gate) Admit(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return g.Enter()
}

// Leave ends a call.
func (g *Gate) Leave() {
	if g.state.Add(-1) == closedBit {
		select {
		case g.idle <- struct{}{}:
		default:
		}
	}
}

// Fail makes every later Enter return ErrFailed with the first cause given, and
// returns that error. It is for failures after which the store can promise
// nothing until it is opened again.
func (g *Gate) Fail(cause error) error {
	g.cause.CompareAndSwap(nil, &cause)
	return g.Failure()
}

// Failure returns the ErrFailed that Enter returns, or nil.
func (g *Gate) Failure() error {
	if cause := g.cause.Load(); cause != nil {
		return fmt.Errorf("%w: %w", engines.ErrFailed, *cause)
	}
	return nil
}

// Close refuses new calls and waits until those inside have left; release is
// called before that, to end what they may wait for, and once more after it,
// for what they opened meanwhile. A second Close returns
// ErrClosed. In an engine that has failed a call may never return: Close then
// gives up after two seconds and returns stuck, the number of such calls.
func (g *Gate) Close(release func()) (stuck int, err error) {
	if g.state.Or(closedBit)&closedBit != 0 {
		return 0, engines.ErrClosed
	}
	release()
	defer release()
	var deadline time.Time
	for g.state.Load() != closedBit {
		select {
		case <-g.idle:
		case <-time.After(100 * time.Millisecond):
			if g.cause.Load() == nil {
				continue
			}
			if deadline.IsZero() {
				deadline = time.Now().Add(stuckAfter)
			} else if time.Now().After(deadline) {
				return int(g.state.Load() - closedBit), nil
			}
		}
	}
	return 0, nil
}
