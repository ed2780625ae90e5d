package reports

import (
	"fmt"
	"strings"

	"orbitbench/harness/result"
)

// wrong lists what doctor found wrong with the machine, "" for nothing. What to
// do about it, and all that was looked at, stands in the environment part.
func (r *Report) wrong() string {
	var parts []string
	for _, f := range r.Run.Doctor {
		if f.Status == result.FindingWarn || f.Status == result.FindingFail {
			parts = append(parts, fmt.Sprintf("%s %s: %s", f.Status, f.Check, oneLine(f.Found)))
		}
	}
	return strings.Join(parts, "; ")
}
