package result

import "strings"

// Validity says whether a cell's figures may be used: whether they are those of
// its engine under the load that was meant. Package validity judges it.
type Validity struct {
	Verdict string   `json:"verdict"` // Valid, Noisy or Invalid: the worst of its reasons
	Reasons []Reason `json:"reasons,omitempty"`
	// Steady is whether the figures were still moving within the measured phase;
	// nil where it was too short to tell.
	Steady *Steady `json:"steady,omitempty"`
	// FloorDrift is the floor's p50 behind the cell over that before it; 0 where
	// either is missing.
	FloorDrift float64 `json:"floor_drift,omitempty"`
}

// The verdicts, best first.
const (
	Valid   = "valid"
	Noisy   = "noisy"   // shown and ranked, with its reasons
	Invalid = "invalid" // shown with its reasons, never ranked
)

// Reason is one thing that is wrong with a cell.
type Reason struct {
	Check   string `json:"check"`   // stable name: lag, rate, dropped, throttled, steal, others, memory, floor_drift, steady
	Verdict string `json:"verdict"` // Noisy or Invalid
	// Engine is set where the engine may have caused it (a rate that it could not
	// hold). Such a trial counts with the others of its engine; one that the
	// machine has voided can be left out.
	Engine bool   `json:"engine,omitempty"`
	Text   string `json:"text"`
}

// Steady is the trend over the seconds of the measured phase of the figure that
// the cell is about.
type Steady struct {
	Figure  string  `json:"figure"`  // p50_ns in an open loop, operations in a closed one
	Seconds int     `json:"seconds"` // whole ones
	TrendP  float64 `json:"trend_p"` // of the two-sided Mann-Kendall test
	Shift   float64 `json:"shift"`   // median of the last third over that of the first
}

// Text is all reasons in one line, "" for none or without a judgement.
func (v *Validity) Text() string {
	if v == nil {
		return ""
	}
	var parts []string
	for _, r := range v.Reasons {
		parts = append(parts, r.Text)
	}
	return strings.Join(parts, "; ")
}

// Voided reports whether the machine, and not the engine, has made the cell invalid.
func (v *Validity) Voided() bool {
	if v == nil {
		return false
	}
	for _, r := range v.Reasons {
		if r.Verdict == Invalid && !r.Engine {
			return true
		}
	}
	return false
}
