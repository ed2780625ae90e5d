package reports

import (
	"fmt"
	"slices"
	"strconv"

	"orbitbench/harness/result"
)

// rung is one rate of an engine: what its probes and trials together say of
// offered against achieved.
type rung struct {
	engine     string
	offered    float64 // renewals/s
	achieved   float64 // median, renewals/s
	promisedNs float64 // median latency at the promised percentile
	lagP99Ns   int64   // most
	inFlight   int     // most
	dropped    uint64  // of all
	kept, n    int     // probes and trials that kept the promise, and all
	generator  int     // that the load generator's own lag made miss it
}

// share of the offered rate that was achieved.
func (g *rung) share() float64 { return g.achieved / g.offered }

// held reports whether the offered rate was achieved within 1%.
func (g *rung) held() bool { return g.share() >= result.RateHeld && g.dropped == 0 }

// below reports whether the rate lies below the engine's knee.
func (g *rung) below() bool { return 2*g.kept > g.n }

// state says what the rate did to the engine. The latency decides where the knee
// lies and not the achieved rate, so that "held below the knee" can be false.
func (g *rung) state() string {
	switch {
	case g.below() && g.held():
		return "kept"
	case g.below():
		return "kept, rate not held"
	case g.generator == g.n:
		return "generator late"
	case g.held():
		return "promise missed"
	}
	return "saturated"
}

// ladder are the rates of an engine, lowest first.
func (r *capacityRow) ladder() (rungs []*rung) {
	all := slices.DeleteFunc(slices.Concat(r.probes, r.trials), func(p result.CapacityProbe) bool { return p.Offered == 0 })
	for _, rate := range rates(all) {
		g := &rung{engine: r.engine.Name, offered: rate}
		var achieved, promised []float64
		for _, p := range all {
			if !sameRate(p.RatePerS, rate) {
				continue
			}
			achieved, promised = append(achieved, p.AchievedPerS), append(promised, float64(p.PromisedNs))
			g.lagP99Ns, g.inFlight, g.dropped = max(g.lagP99Ns, p.LagP99Ns), max(g.inFlight, p.InFlightMax), g.dropped+p.Dropped
			g.n++
			if p.Kept {
				g.kept++
			} else if p.GeneratorBound {
				g.generator++
			}
		}
		g.achieved, _ = median(achieved)
		g.promisedNs, _ = median(promised)
		rungs = append(rungs, g)
	}
	return rungs
}

// Which rungs a ladder shows.
const (
	every    = 0
	nearKnee = 6 // of each engine at most
)

// near are the n rungs around the knee: two thirds of them below it.
func near(rungs []*rung, n int) []*rung {
	if len(rungs) <= n {
		return rungs
	}
	knee := 0
	for i, g := range rungs {
		if g.below() {
			knee = i + 1
		}
	}
	from := min(max(0, knee-(2*n+2)/3), len(rungs)-n)
	return rungs[from : from+n]
}

// ladderTable is offered against achieved, rate by rate; most bounds the rungs
// of an engine.
func (b *capacityBlock) ladderTable(most int) *table {
	t := &table{columns: []column{
		{head: "engine", left: true}, {head: "offered/s", keep: 100}, {head: "achieved/s", keep: 99}, {head: "ratio", keep: 98},
		{head: b.percentile(), keep: 90}, {head: "lag p99", keep: 80}, {head: "in flight", keep: 70}, {head: "dropped", keep: 85}, {head: "tries", keep: 60}, {head: "", left: true, keep: 97},
	}}
	for _, row := range b.rows {
		rungs := row.ladder()
		if most != every {
			rungs = near(rungs, most)
		}
		for i, g := range rungs {
			name := g.engine
			if i > 0 && most != every {
				name = ""
			}
			t.rows = append(t.rows, tableRow{cells: []string{name, number(g.offered), number(g.achieved), share4(g.share()), duration(g.promisedNs),
				duration(float64(g.lagP99Ns)), strconv.Itoa(g.inFlight), strconv.FormatUint(g.dropped, 10), strconv.Itoa(g.n), g.state()}})
		}
	}
	return t
}

// share4 shows a share so that a thousandth can be seen.
func share4(v float64) string { return strconv.FormatFloat(v, 'f', 4, 64) }

// ladderText says whether what was offered was achieved up to the knee.
func (b *capacityBlock) ladderText() string {
	rungs, held, worst, worstAt := 0, 0, 1.0, ""
	for _, row := range b.rows {
		for _, g := range row.ladder() {
			if !g.below() {
				continue
			}
			rungs++
			if g.held() {
				held++
			}
			if g.share() < worst {
				worst, worstAt = g.share(), fmt.Sprintf(" (%s at %s/s)", g.engine, number(g.offered))
			}
		}
	}
	if rungs == 0 {
		return "Offered against achieved: no rate kept the promise, so that nothing lies below a knee."
	}
	text := fmt.Sprintf("Offered against achieved: of %s that kept the promise, %d were achieved within 1%%; the least achieved share is %s%s.", plural(rungs, "rate"), held, share4(worst), worstAt)
	if held < rungs {
		text += " Where a rate was not held although the promise was kept, the generator offered less than it says, or the stretch was too short for its last renewals."
	}
	return text
}

// textLadder writes the rungs around the knee of each engine.
func (r *Report) textLadder(t *textWriter, b *capacityBlock) (dropped []column) {
	table := b.ladderTable(nearKnee)
	if len(table.rows) == 0 {
		return nil
	}
	t.line(plain, "")
	dropped = table.fit(t.width)
	t.table(table)
	t.paragraph("", b.ladderText()+" The rates nearest to the knee are shown; capacity.csv has every one.", dim)
	return dropped
}
