package compare

import (
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"text/tabwriter"
)

// value writes v with three digits in a unit that suits it: "1.23 ms".
func value(v float64, unit string) string {
	steps := map[string][]struct {
		size float64
		name string
	}{
		"ns":    {{1e9, "s"}, {1e6, "ms"}, {1e3, "us"}, {1, "ns"}},
		"ops/s": {{1e6, "M/s"}, {1e3, "k/s"}, {1, "/s"}},
		"B":     {{1e6, "MB"}, {1e3, "kB"}, {1, "B"}},
	}[unit]
	for _, s := range steps {
		if math.Abs(v) >= s.size {
			return digits(v/s.size) + " " + s.name
		}
	}
	return strings.TrimSpace(digits(v) + " " + unit)
}

func digits(v float64) string {
	if v == math.Trunc(v) && math.Abs(v) < 1e6 {
		return strconv.FormatFloat(v, 'f', -1, 64)
	}
	if a := math.Abs(v); a >= 1000 || a < 0.001 {
		return strconv.FormatFloat(v, 'g', 3, 64)
	}
	decimals := 2 - int(math.Floor(math.Log10(math.Abs(v))))
	return strconv.FormatFloat(v, 'f', max(0, min(decimals, 4)), 64)
}

func percent(share float64) string { return strconv.FormatFloat(100*share, 'f', 1, 64) + "%" }

func signed(share float64) string {
	if share >= 0 {
		return "+" + percent(share)
	}
	return percent(share)
}

// change is the change of a row with its interval.
func (r *Row) change() string {
	if r.BaseTrials == 0 || r.HeadTrials == 0 {
		return "-"
	}
	if r.Interval == nil {
		return signed(r.Change)
	}
	return fmt.Sprintf("%s (%s to %s)", signed(r.Change), signed(r.Interval[0]), signed(r.Interval[1]))
}

// p is the p value that the verdict rests on.
func (r *Row) p() string {
	switch {
	case r.AdjustedP != nil:
		return strconv.FormatFloat(*r.AdjustedP, 'g', 2, 64)
	case r.P != nil:
		return "(" + strconv.FormatFloat(*r.P, 'g', 2, 64) + ")"
	}
	return "-"
}

func (r *Row) noise() string {
	if r.Noise == nil {
		return "-"
	}
	return percent(*r.Noise)
}

// side writes a row's value of one run.
func (r *Row) side(v float64, trials int) string {
	if trials == 0 && r.Figure != "failed_cells" {
		return "-"
	}
	return value(v, r.Unit)
}

func (r *Row) baseText() string { return r.side(r.Base, r.BaseTrials) }
func (r *Row) headText() string { return r.side(r.Head, r.HeadTrials) }

func (s Side) String() string {
	text := s.Dir + ": " + s.Version
	if s.Commit != "" {
		text += " " + s.Commit[:min(12, len(s.Commit))]
	}
	return fmt.Sprintf("%s, profile %s, %s", text, s.Profile, s.Started)
}

// rule is the rule in a sentence.
func (r *Result) rule() string {
	how := "that of the medians"
	if r.Interleaved {
		how = "the median over the pairs of trials"
	}
	return fmt.Sprintf("A time is worse or better if its Mann-Whitney p, adjusted by Holm over the gated times, is below %g, the 95%% interval of its change excludes 0, and the change exceeds %s and twice the noise; equivalent if the interval lies within %s. At least %d trials a side. Counts differ if every trial does. Base and head are medians over the trials, the change of a time is %s.",
		Alpha, percent(r.Margin), percent(r.Margin), LeastTrials, how)
}

// Text writes the result for a terminal. Its only errors are those of w.
func (r *Result) Text(w io.Writer) error {
	var out strings.Builder
	fmt.Fprintf(&out, "base %s\nhead %s\n\n", r.Base, r.Head)
	tab := tabwriter.NewWriter(&out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tab, "verdict\tcell\tfigure\tbase\thead\tchange (95% interval)\tp\tnoise\t")
	shown := 0
	for i := range r.Rows {
		row := &r.Rows[i]
		if !row.Gated {
			shown++
			continue
		}
		fmt.Fprintf(tab, "%s\t%s %s %s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", row.Verdict, row.Engine, row.Workload, row.Durability, row.Figure,
			row.baseText(), row.headText(), row.change(), row.p(), row.noise(), row.Why)
	}
	if err := tab.Flush(); err != nil {
		return err
	}
	if shown == len(r.Rows) {
		out.WriteString("no figure could be gated\n")
	}
	if shown > 0 {
		fmt.Fprintf(&out, "%d further figures are not gated; --format markdown and json show them%s\n", shown, r.commonReason())
	}
	out.WriteString("\n" + r.rule() + "\n")
	for _, list := range []struct {
		head  string
		lines []string
	}{{"VIOLATION", r.Violations}, {"FORCED, not a valid comparison", r.Forced}, {"note", r.Notes}} {
		for _, l := range list.lines {
			fmt.Fprintf(&out, "%s: %s\n", list.head, l)
		}
	}
	fmt.Fprintf(&out, "%s\n", r.Verdict)
	_, err := io.WriteString(w, out.String())
	return err
}

// commonReason is the reason that most figures are not gated for.
func (r *Result) commonReason() string {
	counts := map[string]int{}
	best := ""
	for _, row := range r.Rows {
		if row.Gated || row.Why == "" {
			continue
		}
		counts[row.Why]++
		if counts[row.Why] > counts[best] {
			best = row.Why
		}
	}
	if best == "" {
		return ""
	}
	return " (" + best + ")"
}
