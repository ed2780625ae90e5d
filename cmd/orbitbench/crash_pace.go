package main

import (
	"fmt"
	"strings"
	"sync"
	"time"

	"orbitbench/harness/crash"
	"orbitbench/harness/runner"
)

// pace says how fast a crash run goes, and how long it will take.
type pace struct {
	mu     sync.Mutex
	cells  []crash.Cell
	rates  map[string]float64 // crashes a second by method, measured or guessed
	at     int                // index of the cell
	name   string
	began  time.Time
	said   time.Time
	tested int
}

// guessed are crashes a second before any was timed.
func guessed(method string) float64 {
	switch {
	case strings.HasPrefix(method, "block"):
		return 20
	case strings.HasPrefix(method, "file"):
		return 60
	}
	return 8
}

// sayEvery is how often progress is told within a cell.
const sayEvery = 5 * time.Second

func (p *pace) begin(cells []crash.Cell) { p.cells, p.rates = cells, map[string]float64{} }

func (p *pace) cell(i int, c *crash.Cell) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.at, p.name, p.began, p.said, p.tested = i, c.Method, time.Now(), time.Now(), 0
}

// done takes in the rate of a cell that was tested.
func (p *pace) done(c *crash.Cell) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if s := time.Since(p.began).Seconds(); p.name == c.Method && p.tested > 0 && s > 0 {
		p.rates[c.Method] = float64(p.tested) / s
	}
	p.name = ""
}

// line is what there is to say now, "" if something was said a moment ago.
func (p *pace) line(c *crash.Cell, tested, want int) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.tested = tested
	if time.Since(p.said) < sayEvery {
		return ""
	}
	p.said = time.Now()
	rate := float64(tested) / max(time.Since(p.began).Seconds(), 1e-3)
	left := float64(want-tested) / max(rate, 1e-3)
	for _, next := range p.cells[min(p.at+1, len(p.cells)):] {
		if next.Skip == "" {
			r := p.rates[next.Method]
			if r == 0 {
				r = guessed(next.Method)
			}
			left += float64(next.Want) / r
		}
	}
	return fmt.Sprintf("[%d/%d] %s %s %s  %d of %d, %.0f/s, about %s left", p.at+1, len(p.cells), c.Engine, c.Method, c.Durability, tested, want, rate,
		runner.Duration(time.Duration(left*float64(time.Second))))
}
