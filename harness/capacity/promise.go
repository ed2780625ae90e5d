package capacity

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// DefaultPromise is the promise where none is named.
const DefaultPromise = "p99.9<=10ms"

// Promise bounds a percentile of the latency of renewals, from their due time.
type Promise struct {
	Quantile float64       // 0 < Quantile < 1
	Limit    time.Duration // more than 0
}

// Parse reads a promise such as "p99.9<=10ms"; blanks are allowed between its parts.
func Parse(text string) (Promise, error) {
	bad := func(what string) (Promise, error) {
		return Promise{}, fmt.Errorf("promise %q: %s; want a percentile and a limit, such as %s", text, what, DefaultPromise)
	}
	left, right, ok := strings.Cut(text, "<=")
	if !ok {
		return bad("it has no <=")
	}
	name, ok := strings.CutPrefix(strings.TrimSpace(left), "p")
	percent, err := strconv.ParseFloat(name, 64)
	if !ok || err != nil || !(percent > 0 && percent < 100) {
		return bad("its percentile is not between p0 and p100")
	}
	limit, err := time.ParseDuration(strings.ReplaceAll(strings.TrimSpace(right), " ", ""))
	if err != nil || limit <= 0 {
		return bad("its limit is no duration above 0")
	}
	// 99.9/100 is not the number nearest to 0.999; counting down from 1 in
	// steps of 1e-9 is.
	return Promise{Quantile: math.Round(percent*1e7) / 1e9, Limit: limit}, nil
}

// String is the text that Parse reads.
func (p Promise) String() string { return p.Name() + "<=" + p.Limit.String() }

// Name is that of the percentile: "p99.9".
func (p Promise) Name() string {
	return "p" + strconv.FormatFloat(math.Round(p.Quantile*1e9)/1e7, 'f', -1, 64)
}

// Allowed is how many of n renewals may take longer than the limit.
func (p Promise) Allowed(n uint64) uint64 {
	// 1-Quantile is inexact: 0.1% of 10,000 are 10, not 9.
	return uint64((1-p.Quantile)*float64(n) + 1e-6)
}

// Samples is how many renewals put ten above the percentile, the fewest that
// decide about it.
func (p Promise) Samples() float64 { return tailSamples / (1 - p.Quantile) }

const tailSamples = 10
