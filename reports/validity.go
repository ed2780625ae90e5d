package reports

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"orbitbench/harness/result"
)

// validity is what was judged of the trials of a row.
type validity struct {
	judged  int            // trials with a judgement, those left out included
	counts  map[string]int // of the trials that count, by verdict
	leftOut []string       // reasons, one a trial that was left out
	invalid []string       // reasons of the trials that count all the same
	checks  map[string]*doubt
}

// doubt is one check that found something, over the trials of a row.
type doubt struct {
	trials int
	first  string // trial and text
}

// add notes a trial's judgement and reports whether the trial is left out.
func (v *validity) add(c *result.Cell, keepVoided bool) (leaveOut bool) {
	if c.Validity == nil {
		return false
	}
	v.judged++
	text := fmt.Sprintf("trial %d: %s", c.Trial, oneLine(c.Validity.Text()))
	if c.Validity.Voided() && !keepVoided {
		v.leftOut = append(v.leftOut, text)
		return true
	}
	if v.counts == nil {
		v.counts, v.checks = map[string]int{}, map[string]*doubt{}
	}
	v.counts[c.Validity.Verdict]++
	if c.Validity.Verdict == result.Invalid {
		v.invalid = append(v.invalid, text)
	}
	for _, r := range c.Validity.Reasons {
		d := v.checks[r.Check]
		if d == nil {
			d = &doubt{first: fmt.Sprintf("trial %d: %s", c.Trial, oneLine(r.Text))}
			v.checks[r.Check] = d
		}
		d.trials++
	}
	return false
}

// allVoided reports whether the machine has voided every trial that gave
// figures: they are shown then, and not ranked.
func allVoided(items []item) bool {
	return !slices.ContainsFunc(items, func(it item) bool {
		return it.kind != result.KindRecovery && it.cell != nil && it.cell.Status == result.OK && !it.cell.Validity.Voided()
	})
}

// String is the verdict of the trials that count, with how many it is true of:
// "valid", "noisy 3/12", and "-2" behind it for two that were left out.
func (v *validity) String() string {
	if v.judged == 0 {
		return noFigure
	}
	total := 0
	for _, n := range v.counts {
		total += n
	}
	text := result.Valid
	for _, verdict := range []string{result.Noisy, result.Invalid} {
		if n := v.counts[verdict]; n > 0 {
			if text = verdict; total > 1 {
				text = fmt.Sprintf("%s %d/%d", verdict, n, total)
			}
		}
	}
	if n := len(v.leftOut); n > 0 {
		text += fmt.Sprintf(" -%d", n)
	}
	return text
}

// verdict is the worst of the trials that count, "" without a judgement.
func (v *validity) verdict() string {
	word, _, _ := strings.Cut(v.String(), " ")
	if word == noFigure {
		return ""
	}
	return word
}

// flags are what must be read beside the figures. missed: the rate was, which has
// a line of its own.
func (v *validity) flags(invalid, missed bool) (list []string) {
	if n := len(v.leftOut); n > 0 {
		list = append(list, fmt.Sprintf("%s left out, which the machine has voided: %s", plural(n, "trial"), shorten(v.leftOut[0], 300)))
	}
	switch {
	case len(v.invalid) > 0 && !(missed && v.onlyRate()):
		list = append(list, "not a valid measurement: "+shorten(v.invalid[0], 300))
	case invalid && v.judged == 0:
		list = append(list, "not a valid measurement: the lag of the load generator decided its latencies")
	}
	return list
}

// onlyRate reports whether nothing but the load was wrong.
func (v *validity) onlyRate() bool {
	for check := range v.checks {
		if check != "rate" && check != "dropped" && check != "steady" {
			return false
		}
	}
	return true
}

// doubts are one line for each check that found something.
func (v *validity) doubts() (list []string) {
	total := 0
	for _, n := range v.counts {
		total += n
	}
	for _, check := range v.names() {
		d := v.checks[check]
		if total == 1 {
			list = append(list, d.first)
			continue
		}
		list = append(list, fmt.Sprintf("%s in %d of %d trials, first in %s", check, d.trials, total, d.first))
	}
	return list
}

// names are the checks that found something, the most frequent first.
func (v *validity) names() []string {
	return slices.SortedFunc(maps.Keys(v.checks), func(a, b string) int {
		return cmp.Or(cmp.Compare(v.checks[b].trials, v.checks[a].trials), strings.Compare(a, b))
	})
}

// machineShares are what the machine met during a trial, by their name in the CSV.
func machineShares(m *result.Machine) map[string]float64 {
	if m == nil {
		return nil
	}
	shares := map[string]float64{"steal_share": m.StealShare, "others_cpu_share": m.OthersCPUShare}
	if m.ThrottledShare != nil {
		shares["throttled_share"] = *m.ThrottledShare
	}
	for name, share := range m.Pressure {
		shares["pressure_"+name+"_share"] = share
	}
	return shares
}

// machineColumns are the names of machineShares, in the order of the columns.
var machineColumns = []string{"steal_share", "others_cpu_share", "throttled_share", "pressure_cpu_share", "pressure_io_share", "pressure_memory_share"}

func machineField(name string) func(*Report, *row) string {
	return func(_ *Report, r *row) string { return medianField(r.use.machine[name], percent) }
}

// percent is a share as the tables show it.
func percent(share float64) string { return fmt.Sprintf("%.1f%%", 100*share) }

func csvValidity() []csvColumn {
	columns := []csvColumn{
		{"validity", csvText(func(l csvRow) string { return l.row.validity.verdict() })},
		{"validity_reasons", csvText(func(l csvRow) string { return strings.Join(l.row.validity.doubts(), "; ") })},
		{"trials_left_out", csvText(func(l csvRow) string {
			return csvFloat(float64(len(l.row.validity.leftOut)), l.row.validity.judged > 0)
		})},
	}
	for _, name := range machineColumns {
		columns = append(columns, csvColumn{strings.Replace(name, "_share", "_median_share", 1), csvText(func(l csvRow) string {
			return csvFloat(median(l.row.use.machine[name]))
		})})
	}
	noiseOfBlock := func(pick func(*noise) deviation) func(*Report, csvRow) string {
		return csvText(func(l csvRow) string {
			if l.block.noise == nil {
				return ""
			}
			s := pick(l.block.noise)
			return csvFloat(s.share, s.known)
		})
	}
	return append(columns,
		csvColumn{"control_engine", csvText(func(l csvRow) string {
			if l.block.noise == nil {
				return ""
			}
			return l.block.noise.engine
		})},
		csvColumn{"control_p50_noise_share", noiseOfBlock(func(n *noise) deviation { return n.p50 })},
		csvColumn{"control_p99_noise_share", noiseOfBlock(func(n *noise) deviation { return n.p99 })})
}
