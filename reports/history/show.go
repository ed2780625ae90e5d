package history

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"orbitbench/reports/compare"
)

// enough is the fewest runs in which a change can be found at Alpha: with four
// on each side 2 of 70 orders are as good, with five 2 of 252.
const enough = 10

// Text writes the change points as a table. Its only errors are those of w.
func (r *Result) Text(w io.Writer) error {
	var out strings.Builder
	tab := tabwriter.NewWriter(&out, 0, 0, 2, ' ', 0)
	changes := 0
	for _, s := range r.Series {
		for _, c := range s.Changes {
			if changes == 0 {
				fmt.Fprintln(tab, "figure\tchanged at\tbefore\tafter\tchange\tp\t")
			}
			changes++
			fmt.Fprintf(tab, "%s\t%s (%s)\t%s\t%s\t%+.1f%%\t%.3f\t\n", s.Name(), r.Runs[c.Run].Name(), r.Runs[c.Run].Dir,
				compare.Show(c.Before, s.Unit), compare.Show(c.After, s.Unit), 100*c.Share, c.P)
		}
	}
	if err := tab.Flush(); err != nil {
		return err
	}
	if changes > 0 {
		out.WriteString("\n")
	}
	for _, n := range r.Notes {
		fmt.Fprintf(&out, "note: %s\n", n)
	}
	if len(r.Runs) < enough {
		fmt.Fprintf(&out, "note: %d runs are too few to find a change at p < %g; about %d are needed\n", len(r.Runs), Alpha, enough)
	}
	fmt.Fprintf(&out, "%d changes in %d figures of %d runs (E-divisive, permutation test, p < %g a figure)\n", changes, len(r.Series), len(r.Runs), Alpha)
	_, err := io.WriteString(w, out.String())
	return err
}
