package plan

import (
	"fmt"
	"strings"
)

// unknown is the error for a name that is not among valid: it offers the
// nearest one, if any is near, and lists them all.
func unknown(what, name string, valid []string) error {
	if len(valid) == 0 {
		return fmt.Errorf("unknown %s %q: there is none", what, name)
	}
	hint := ""
	if best := nearest(name, valid); best != "" {
		hint = fmt.Sprintf(", did you mean %q?", best)
	}
	return fmt.Errorf("unknown %s %q%s (want one of %s)", what, name, hint, strings.Join(valid, ", "))
}

// nearest returns the valid name with the smallest edit distance from name, or
// "" if none comes near: up to half of a short name and 3 bytes of a long one.
func nearest(name string, valid []string) string {
	best, at := "", min((len(name)+1)/2, 4)
	for _, v := range valid {
		if d := distance(strings.ToLower(name), v); d < at {
			best, at = v, d
		}
	}
	return best
}

// distance is the Levenshtein distance in bytes.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		diagonal := row[0]
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := diagonal
			if a[i-1] != b[j-1] {
				cost++
			}
			diagonal = row[j]
			row[j] = min(cost, row[j]+1, row[j-1]+1)
		}
	}
	return row[len(b)]
}
