// Package explain is the one home of what the words of a report mean: metrics,
// durability classes, workloads, engines, each in a paragraph with its source.
// The verb explain prints them and the HTML report links to them.
package explain

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"orbitbench/harness/result"
)

// Entry is one explanation.
type Entry struct {
	Name   string   // as people type it
	Kind   string   // metric, class, workload or engine
	Also   []string // other names
	Text   string   // a paragraph
	Source string   // where the definition or the figure comes from
}

// The kinds of entry, in the order in which they are listed.
const (
	Metric   = "metric"
	Class    = "class"
	Workload = "workload"
	Engine   = "engine"
)

// Kinds are the kinds in the order in which they are listed.
var Kinds = []string{Metric, Class, Workload, Engine}

// Static are the entries that depend on no engine and no preset.
func Static() []Entry { return slices.Concat(metrics, classes, workloads) }

// OfEngine is the entry of an engine: what it is, how it is configured, and
// which row of the design note's table it answers for.
func OfEngine(e result.Engine) Entry {
	var b strings.Builder
	fmt.Fprintf(&b, "%s (%s). %s", e.Title, e.Role, strings.TrimSpace(e.Summary))
	if e.Claim != "" {
		fmt.Fprintf(&b, " It answers for the row %q of the design note.", e.Claim)
	}
	if len(e.Classes) > 0 {
		fmt.Fprintf(&b, " Classes: %s.", strings.Join(e.Classes, ", "))
	}
	var missing []string
	for class, why := range e.WhyNot {
		if why != "" {
			missing = append(missing, fmt.Sprintf(" Not %s: %s.", class, strings.TrimSuffix(why, ".")))
		}
	}
	slices.Sort(missing)
	b.WriteString(strings.Join(missing, ""))
	if e.VisibleBeforeDurable {
		b.WriteString(" It shows a commit to readers before it is durable.")
	}
	if e.Configuration != "" {
		fmt.Fprintf(&b, " Configuration: %s.", strings.TrimSuffix(e.Configuration, "."))
	}
	if e.Complexity != nil && e.Complexity.Note != "" {
		fmt.Fprintf(&b, " Its complexity: %s.", strings.TrimSuffix(e.Complexity.Note, "."))
	}
	return Entry{Name: e.Name, Kind: Engine, Text: b.String(), Source: e.Module}
}

// OfPreset is the entry of a load with a name.
func OfPreset(name, about, source string, p result.Params) Entry {
	var b strings.Builder
	if about = strings.TrimSuffix(strings.TrimSpace(about), "."); about != "" {
		b.WriteString(about + ". ")
	}
	fmt.Fprintf(&b, "A load of %d records of %d bytes", p.Actors, p.ValueBytes)
	if p.LeaseSeconds > 0 {
		fmt.Fprintf(&b, ", leases of %g s", p.LeaseSeconds)
	}
	if p.RenewSeconds > 0 {
		fmt.Fprintf(&b, " renewed every %g s", p.RenewSeconds)
	}
	if p.RatePerS > 0 {
		fmt.Fprintf(&b, ", %g operations a second where the loop is open", p.RatePerS)
	}
	var mix []string
	for op, share := range p.Mix {
		if share > 0 {
			mix = append(mix, fmt.Sprintf("%s %.4g%%", op, 100*share))
		}
	}
	slices.Sort(mix)
	if len(mix) > 0 {
		fmt.Fprintf(&b, "; %s", strings.Join(mix, ", "))
	}
	if p.Distribution != "" {
		fmt.Fprintf(&b, "; keys: %s", p.Distribution)
	}
	return Entry{Name: name, Kind: Workload, Text: b.String() + ".", Source: source}
}

// Find returns the entries of a name, of which an engine and a metric may share
// one; other names count, case does not. It is empty for an unknown name.
func Find(entries []Entry, name string) []Entry {
	name = plain(name)
	var found []Entry
	for _, e := range entries {
		if plain(e.Name) == name || slices.ContainsFunc(e.Also, func(a string) bool { return plain(a) == name }) {
			found = append(found, e)
		}
	}
	return found
}

// plain takes from a name what people write in different ways.
func plain(s string) string {
	return strings.Map(func(r rune) rune {
		if strings.ContainsRune(" _-.", r) {
			return -1
		}
		return r
	}, strings.ToLower(s))
}

// Near returns up to three names that a wrong one may have meant, nearest first.
func Near(entries []Entry, name string) []string {
	type candidate struct {
		name string
		far  int
	}
	var found []candidate
	for _, e := range entries {
		least := len(name) + len(e.Name)
		for _, n := range append([]string{e.Name}, e.Also...) {
			far := distance(plain(n), plain(name))
			if len(plain(name)) > 2 && strings.Contains(plain(n), plain(name)) {
				far = min(far, 1)
			}
			least = min(least, far)
		}
		if least <= max(2, len(plain(name))/3) {
			found = append(found, candidate{e.Name, least})
		}
	}
	slices.SortStableFunc(found, func(x, y candidate) int { return cmp.Compare(x.far, y.far) })
	var names []string
	for _, c := range found[:min(3, len(found))] {
		names = append(names, c.name)
	}
	return names
}

// distance is Levenshtein's.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
