package reports

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"orbitbench/reports/page"
)

// The chooser ranks the engines of one class by weights: the score of an engine
// is the weighted geometric mean of its ratios to the best, so that 1 is the
// best in everything and the unit of a figure does not matter. The page's script
// does the same sum when somebody moves a slider; a test holds them together.

// choiceScale is the unit in which people give a limit.
type choiceScale struct {
	unit string
	size float64
}

var choiceScales = map[string]choiceScale{
	"write_p99": {"ms", 1e6}, "read_p99": {"ms", 1e6}, "recovery": {"s", 1e9}, "memory_per_million": {"MB", 1e6},
	"write_amplification": {"x", 1}, "space_amplification": {"x", 1}, "cpu_per_op": {"us", 1e3}, "lines": {"lines", 1},
}

// choiceData is what the page's script gets.
type choiceData struct {
	Components []choiceComponent `json:"components"`
	Classes    []choiceClass     `json:"classes"`
}

type choiceComponent struct {
	Key    string  `json:"key"`
	Name   string  `json:"name"`
	Unit   string  `json:"unit"`
	Scale  float64 `json:"scale"` // of the unit, in the unit of the values
	Weight float64 `json:"weight"`
}

type choiceClass struct {
	Name     string         `json:"name"`
	Load     string         `json:"load"`
	Best     []*float64     `json:"best"` // by component; nil where fewer than two engines have a figure
	Engines  []choiceEngine `json:"engines"`
	Excluded []string       `json:"excluded"` // and why
}

type choiceEngine struct {
	Name   string     `json:"name"`
	Href   string     `json:"href"`
	Glyph  string     `json:"glyph"`
	Cgo    bool       `json:"cgo"`
	Values []*float64 `json:"values"` // by component, in its own unit; nil: not measured
	Low    []*float64 `json:"lo"`     // of the trials
	High   []*float64 `json:"hi"`
}

// chosenMetrics are those with a slider.
func chosenMetrics() []metric {
	return slices.DeleteFunc(slices.Clone(metrics), func(m metric) bool { return !m.chosen })
}

// choice is the chooser's data, the strongest class first; nil where no class
// has two engines that can be ranked.
func (r *Report) choice() *choiceData {
	d := &choiceData{}
	chosen := chosenMetrics()
	for _, m := range chosen {
		s := choiceScales[m.key]
		d.Components = append(d.Components, choiceComponent{m.key, m.name(), s.unit, s.size, m.weight})
	}
	for _, b := range slices.Backward(r.blocks) {
		if c, ok := r.choiceClass(b, chosen); ok {
			d.Classes = append(d.Classes, c)
		}
	}
	if len(d.Classes) == 0 {
		return nil
	}
	slices.SortStableFunc(d.Classes, func(x, y choiceClass) int { return cmp.Compare(classRank(y.Name), classRank(x.Name)) })
	return d
}

func (r *Report) choiceClass(b *block, chosen []metric) (choiceClass, bool) {
	rows := b.ranked()
	if len(rows) < 2 {
		return choiceClass{}, false
	}
	c := choiceClass{Name: r.blockName(b), Load: b.load(), Excluded: b.unranked()}
	looks := r.styles()
	for _, m := range chosen {
		var values []float64
		for _, row := range rows {
			if v, ok := m.value(row); ok && v > 0 {
				values = append(values, v)
			}
		}
		c.Best = append(c.Best, nil)
		if len(values) > 1 {
			best := slices.Min(values)
			c.Best[len(c.Best)-1] = &best
		}
	}
	for _, row := range rows {
		e := choiceEngine{Name: row.name(), Href: r.anchor(b, row), Glyph: looks[row.engine.Name].Shape.Mark(), Cgo: row.engine.Cgo}
		for _, m := range chosen {
			v, ok := m.value(row)
			if !ok || v <= 0 {
				e.Values, e.Low, e.High = append(e.Values, nil), append(e.Low, nil), append(e.High, nil)
				continue
			}
			lo, hi := m.extremes(row)
			lo, hi = math.Min(lo, v), math.Max(hi, v)
			if lo <= 0 {
				lo = v
			}
			e.Values, e.Low, e.High = append(e.Values, &v), append(e.Low, &lo), append(e.High, &hi)
		}
		c.Engines = append(c.Engines, e)
	}
	return c, true
}

// unranked lists the rows that may not win, with the reason.
func (b *block) unranked() []string {
	ranked := b.ranked()
	out := []string{}
	for _, row := range b.rows {
		if slices.Contains(ranked, row) {
			continue
		}
		why := ""
		switch {
		case row.status != statusOK:
			why = string(row.status) + ": " + shorten(row.reason, 120)
		case len(row.losses) > 0:
			why = "it lost data"
		case row.engine.Role == "baseline":
			why = "a baseline is never ranked"
		case row.early():
			why = "it acknowledges before its promise"
		case row.missedRate():
			why = "it missed the offered rate"
		case row.invalid:
			why = "its measurement is not valid"
		default:
			why = "no renewal succeeded"
		}
		out = append(out, row.name()+" is not ranked: "+why)
	}
	return out
}

// scored is an engine with its score, and the scores of its lowest and highest trials.
type scored struct {
	engine     choiceEngine
	score      float64
	low, high  float64
	components []float64 // ratios to the best, 0 where there is none
}

// rank ranks a class by weights, the best first, and lists who lacks a figure.
func (c *choiceClass) rank(parts []choiceComponent, weights []float64) (ranking []scored, excluded []string) {
	excluded = slices.Clone(c.Excluded)
	sum := 0.0
	for i, w := range weights {
		if c.Best[i] != nil {
			sum += w
		}
	}
	if sum == 0 {
		return nil, excluded
	}
	for _, e := range c.Engines {
		var missing []string
		for i, w := range weights {
			if w > 0 && c.Best[i] != nil && e.Values[i] == nil {
				missing = append(missing, parts[i].Name)
			}
		}
		if len(missing) > 0 {
			excluded = append(excluded, e.Name+" has no figure for "+list(missing))
			continue
		}
		score := func(values []*float64) float64 {
			total := 0.0
			for i, w := range weights {
				if w > 0 && c.Best[i] != nil {
					total += w * math.Log(*values[i] / *c.Best[i])
				}
			}
			return math.Exp(total / sum)
		}
		s := scored{engine: e, score: score(e.Values), low: score(e.Low), high: score(e.High)}
		for i, best := range c.Best {
			ratio := 0.0
			if best != nil && e.Values[i] != nil {
				ratio = *e.Values[i] / *best
			}
			s.components = append(s.components, ratio)
		}
		ranking = append(ranking, s)
	}
	slices.SortStableFunc(ranking, func(x, y scored) int { return cmp.Compare(x.score, y.score) })
	return ranking, excluded
}

// largestWeight is the bound of the search for a flip.
const largestWeight = 100

// flips says at which weight of each component another engine comes first. The
// difference of two scores' weighted logarithms is a line in each weight; where
// it crosses zero they change places.
func (c *choiceClass) flips(parts []choiceComponent, weights []float64, ranking []scored) []string {
	if len(ranking) == 0 {
		return []string{"No engine is left: every one is excluded."}
	}
	best := ranking[0].engine
	var out []string
	for j := range parts {
		if c.Best[j] == nil || best.Values[j] == nil {
			continue
		}
		up, down := math.Inf(1), math.Inf(-1)
		var above, below string
		for _, s := range ranking[1:] {
			if s.engine.Values[j] == nil {
				continue
			}
			slope := math.Log(*best.Values[j] / *s.engine.Values[j])
			rest := 0.0
			for i, w := range weights {
				if i != j && w > 0 && c.Best[i] != nil {
					rest += w * math.Log(*best.Values[i] / *s.engine.Values[i])
				}
			}
			w := -rest / slope
			switch {
			case math.IsNaN(w) || math.IsInf(w, 0):
			case slope > 0 && w > weights[j] && w <= largestWeight && w < up:
				up, above = w, s.engine.Name
			case slope < 0 && w < weights[j] && w >= 0 && w > down:
				down, below = w, s.engine.Name
			}
		}
		if above != "" {
			out = append(out, fmt.Sprintf("The ranking flips to %s when the weight of %s > %s.", above, parts[j].Name, ratioText(up)))
		}
		if below != "" {
			out = append(out, fmt.Sprintf("The ranking flips to %s when the weight of %s < %s.", below, parts[j].Name, ratioText(down)))
		}
	}
	if len(out) == 0 {
		out = append(out, best.Name+" stays first whatever one of the weights is (0 to 100, the others as they are).")
	}
	return out
}

// ratioText formats as the page's script does.
func ratioText(v float64) string {
	switch {
	case v >= 100:
		return fmt.Sprintf("%.0f", v)
	case v >= 10:
		return fmt.Sprintf("%.1f", v)
	}
	return fmt.Sprintf("%.2f", v)
}

// chooserPart renders the default ranking of the strongest class.
func (r *Report) chooserPart(d *choiceData) page.Part {
	c := &d.Classes[0]
	ch := &page.Chooser{Class: c.Name}
	var weights []float64
	t := &page.Table{ID: "ranking-table", Caption: "Ranking under " + c.Name + ": " + c.Load, Columns: []page.Column{{Head: "engine", Left: true}, {Head: "rank"}, {Head: "score"}}}
	for _, p := range d.Components {
		weights = append(weights, p.Weight)
		href := "#explain-" + p.Key
		ch.Components = append(ch.Components, page.Component{Key: p.Key, Name: p.Name, Unit: p.Unit, Href: href, Weight: p.Weight})
		t.Columns = append(t.Columns, page.Column{Group: "ratio to the best", Head: p.Name, Href: href})
	}
	for i := range t.Columns[:3] {
		t.Columns[i].Group = ""
	}
	for _, other := range d.Classes {
		ch.Classes = append(ch.Classes, other.Name)
	}
	ranking, excluded := c.rank(d.Components, weights)
	for i, s := range ranking {
		row := page.Row{Engine: s.engine.Name, Glyph: s.engine.Glyph, Head: s.engine.Name}
		spread := ratioText(s.low) + "–" + ratioText(s.high)
		if i > 0 && s.low <= ranking[0].high {
			spread += ", overlaps the first"
		}
		row.Cells = append(row.Cells, page.Cell{Text: fmt.Sprint(i + 1), Sort: fmt.Sprint(i + 1)}, page.Cell{Text: ratioText(s.score), Sort: sortKey(s.score, true), Subs: []string{spread}})
		for _, f := range s.components {
			cell := page.Cell{Text: noFigure}
			if f > 0 {
				cell = page.Cell{Text: ratioText(f) + "×", Sort: sortKey(f, true)}
			}
			row.Cells = append(row.Cells, cell)
		}
		t.Rows = append(t.Rows, row)
	}
	ch.Ranking, ch.Flips, ch.Excluded = t, c.flips(d.Components, weights, ranking), excluded
	return page.Part{
		Text: "The score is the weighted geometric mean of the ratios to the best: 1 is the best in everything, lower is better. " +
			"Below each score stands that of its lowest and of its highest trials. The weights are nobody's truth: move them. They stay in the page's address.",
		Chooser: ch,
	}
}
