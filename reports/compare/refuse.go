package compare

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"orbitbench/harness/result"
)

// differences are why two runs may not be compared: their machine, and for each
// cell that they share its workload, class and configuration.
func differences(base, head side) []string {
	all := result.MachineDifferences(base.Run, head.Run, base.name, head.name)
	all = append(all, planDifferences(base.Run, head.Run)...)
	return append(all, cellDifferences(base, head)...)
}

// planDifferences lists what only one of the runs has planned.
func planDifferences(a, b *result.Run) []string {
	places := func(r *result.Run) []string {
		var out []string
		for _, p := range r.Plan {
			if p.ControlOf == "" {
				out = append(out, strings.Join([]string{p.Engine, p.Workload, p.Durability}, " "))
			}
		}
		slices.Sort(out)
		return slices.Compact(out)
	}
	var all []string
	pa, pb := places(a), places(b)
	for _, only := range []struct {
		name        string
		have, other []string
	}{{"base", pa, pb}, {"head", pb, pa}} {
		var missing []string
		for _, p := range only.have {
			if !slices.Contains(only.other, p) {
				missing = append(missing, p)
			}
		}
		if len(missing) > 0 {
			all = append(all, fmt.Sprintf("plan: only %s has %s", only.name, strings.Join(missing, ", ")))
		}
	}
	return all
}

// cellDifferences compares the first cell of each place with its counterpart.
func cellDifferences(base, head side) []string {
	first := func(s side) map[string]*result.Cell {
		m := map[string]*result.Cell{}
		for _, c := range s.Cells {
			if p := place(c); c.Status == result.OK && m[p] == nil {
				m[p] = c
			}
		}
		return m
	}
	fa, fb := first(base), first(head)
	var all []string
	for p, a := range fa {
		b := fb[p]
		if b == nil {
			continue // failed or not planned, which is said elsewhere
		}
		for _, d := range []struct {
			what string
			a, b any
		}{{"class", a.Class, b.Class}, {"path", a.Path, b.Path}, {"kind", a.Kind, b.Kind}, {"workload", a.Params, b.Params}, {"engine configuration", a.EngineConfig, b.EngineConfig}} {
			if x, y := unlike(d.a, d.b); x != y {
				all = append(all, fmt.Sprintf("%s: %s differs: base has %s, head has %s", p, d.what, x, y))
			}
		}
	}
	slices.Sort(all)
	return all
}

// unlike is a and b as text; of structs and maps only the members that differ.
func unlike(a, b any) (x, y string) {
	x, y = result.Text(a), result.Text(b)
	var ma, mb map[string]json.RawMessage
	if x == y || json.Unmarshal([]byte(x), &ma) != nil || json.Unmarshal([]byte(y), &mb) != nil {
		return x, y
	}
	for _, m := range []map[string]json.RawMessage{ma, mb} {
		for k := range m {
			if string(ma[k]) == string(mb[k]) {
				delete(ma, k)
				delete(mb, k)
			}
		}
	}
	return result.Text(ma), result.Text(mb)
}

// place is where a cell belongs, whatever its trial.
func place(c *result.Cell) string {
	p := strings.Join([]string{c.Engine, c.Workload, c.Durability}, " ")
	if c.Path == "generic" {
		p += " (generic)"
	}
	return p
}
