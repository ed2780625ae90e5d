package reports

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"orbitbench/harness/result"
)

// capacityBlock is what every engine holds at one promise under one durability.
type capacityBlock struct {
	workload, durability string
	promise              *result.Capacity // promise and timings, of any of its cells; nil where no cell says
	rows                 []*capacityRow   // one per engine of the run
}

// capacityRow is one engine of a block. Rates are renewals a second.
type capacityRow struct {
	engine *result.Engine
	status status
	reason string

	searches         []float64 // the rate that each search kept, 0 for none
	probes           []result.CapacityProbe
	trials           []result.CapacityProbe // confirmations
	failed           int                    // confirmations that ended in an error
	confirmedPerS    float64                // the highest rate whose confirmations kept the promise, with none refuted below; 0: none
	refutedPerS      float64                // the lowest rate refuted; 0: none
	boundPerS        float64                // of the search
	generatorBound   bool                   // what refuted was the lag of the load generator
	planned, missing int
	losses, flags    []string
	doubts           []string // what is wrong with confirmations, one entry each
	early            bool     // a trace saw the engine acknowledge before its promise: it is not ranked
}

// capacities sorts the cells of kind capacity into blocks and rows.
func (r *Report) capacities(items []item) (blocks []*capacityBlock, warnings []string) {
	byName := map[string]*capacityBlock{}
	rows := map[string]*capacityRow{}
	for _, it := range items {
		if it.kind != result.KindCapacity {
			continue
		}
		workload := strings.TrimSuffix(it.plan.Workload, confirmSuffix)
		name := workload + " " + it.plan.Durability
		b := byName[name]
		if b == nil {
			b = &capacityBlock{workload: workload, durability: it.plan.Durability}
			byName[name] = b
			blocks = append(blocks, b)
		}
		row := rows[name+" "+it.plan.Engine]
		if row == nil {
			row = &capacityRow{}
			rows[name+" "+it.plan.Engine] = row
		}
		row.add(b, it)
		if it.cell != nil && it.plan.Workload != workload {
			for _, w := range it.cell.Warnings {
				warnings = append(warnings, fmt.Sprintf("%s under %s, confirmation %d: %s", it.plan.Engine, it.plan.Durability, it.plan.Trial, oneLine(w)))
			}
		}
	}
	for _, b := range blocks {
		for i := range r.Run.Engines {
			e := &r.Run.Engines[i]
			row := rows[b.workload+" "+b.durability+" "+e.Name]
			if row == nil {
				continue
			}
			row.engine = e
			row.settle()
			if d := r.Run.DurabilityOf(e.Name, b.durability); d != nil && d.Verdict == result.DurabilityEarly {
				row.early = true
				row.flags = append(row.flags, notRanked(d))
			}
			b.rows = append(b.rows, row)
		}
	}
	slices.SortStableFunc(blocks, func(a, b *capacityBlock) int {
		return cmp.Compare(classRank(b.durability), classRank(a.durability)) // the strongest promise first
	})
	return blocks, warnings
}

// confirmSuffix ends the names of the workloads of confirmations.
const confirmSuffix = "-confirm"

// add takes one cell of the row.
func (r *capacityRow) add(b *capacityBlock, it item) {
	r.planned++
	c := it.cell
	confirmation := strings.HasSuffix(it.plan.Workload, confirmSuffix)
	switch {
	case c == nil:
		r.missing++
		return
	case c.Status == result.Skipped:
		r.status, r.reason = statusSkipped, orUnknown(c.Reason)
		return
	}
	r.losses = append(r.losses, lossesOf(c)...)
	if c.Status == result.Failed || c.Capacity == nil {
		if r.reason == "" {
			r.status, r.reason = statusFailed, orUnknown(c.Reason)
		}
		if confirmation {
			r.failed++
			r.trials = append(r.trials, result.CapacityProbe{RatePerS: c.Params.RatePerS, Leases: c.Params.Actors, Reason: orUnknown(c.Reason)})
		}
		return
	}
	b.promise = c.Capacity
	if confirmation {
		r.confirmed(c)
		return
	}
	r.searches = append(r.searches, c.Capacity.KeptPerS)
	r.probes = append(r.probes, c.Capacity.Probes...)
	r.boundPerS = max(r.boundPerS, c.Capacity.BoundPerS)
}

// confirmed takes a confirmation with its validity. A promise missed while the
// machine voided the cell is the machine's, like one that the generator's lag broke.
func (r *capacityRow) confirmed(c *result.Cell) {
	for _, p := range c.Capacity.Probes {
		p.GeneratorBound = p.GeneratorBound || !p.Kept && c.Validity.Voided()
		r.trials = append(r.trials, p)
	}
	if v := c.Validity; v != nil && v.Verdict != result.Valid {
		r.doubts = append(r.doubts, fmt.Sprintf("confirmation %d is %s: %s", c.Trial, v.Verdict, oneLine(v.Text())))
	}
}

// settle brackets the capacity once every cell is in. A rate counts as
// confirmed when more of its trials kept the promise than missed it.
func (r *capacityRow) settle() {
	for _, l := range r.losses {
		r.flags = append(r.flags, "DATA LOSS: "+l)
	}
	if len(r.searches) == 0 {
		if r.status == "" {
			r.status, r.reason = statusMissing, "the run ended before its search"
		}
		return
	}
	if r.status == statusFailed {
		r.flags = append(r.flags, fmt.Sprintf("%s failed and counts as a promise missed: %s", plural(max(1, r.failed), "trial"), r.reason))
	}
	r.status, r.reason = statusOK, ""
	for _, rate := range rates(r.trials) {
		kept, missed, lagged := 0, 0, 0
		for _, t := range r.trials {
			switch {
			case !sameRate(t.RatePerS, rate):
			case t.Kept:
				kept++
			default:
				missed++
				if t.GeneratorBound {
					lagged++
				}
			}
		}
		if missed >= kept {
			r.refutedPerS, r.generatorBound = rate, lagged == missed
			break
		}
		r.confirmedPerS = rate
	}
	if len(r.trials) == 0 && r.refutedPerS == 0 {
		r.searchOnly()
	}
	if r.missing > 0 {
		r.flags = append(r.flags, fmt.Sprintf("%d of %d cells have no result: the bracket is not closed", r.missing, r.planned))
	}
	if r.generatorBound {
		r.flags = append(r.flags, "the lag of the load generator alone broke the promise where it was missed, or the machine voided the trial: the engine's own limit is not shown, the machine's is")
	}
	if n := len(r.doubts); n > 0 {
		r.flags = append(r.flags, fmt.Sprintf("%d of %s not valid; %s", n, plural(len(r.trials), "confirmation"), shorten(strings.Join(r.doubts, "; "), 300)))
	}
}

// searchOnly: nothing was confirmed; what the searches missed refutes all the same.
func (r *capacityRow) searchOnly() {
	lowest := math.Inf(1)
	for _, p := range r.probes {
		if !p.Kept && p.RatePerS < lowest {
			lowest, r.generatorBound = p.RatePerS, p.GeneratorBound
		}
	}
	if slices.Max(r.searches) == 0 && !math.IsInf(lowest, 1) {
		r.refutedPerS = lowest
		r.flags = append(r.flags, fmt.Sprintf("the promise was kept at no rate, down to %s/s", number(lowest)))
		return
	}
	r.generatorBound = false
	r.flags = append(r.flags, "not confirmed yet")
}

func sameRate(a, b float64) bool { return math.Abs(a/b-1) < 1e-6 }

// rates lists the rates of probes, each once, lowest first.
func rates(probes []result.CapacityProbe) []float64 {
	var list []float64
	for _, p := range probes {
		list = append(list, p.RatePerS)
	}
	slices.Sort(list)
	return slices.CompactFunc(list, sameRate)
}

// leases turns a rate into leases.
func (b *capacityBlock) leases(ratePerS float64) float64 { return ratePerS * b.promise.RenewSeconds }

// atBound reports whether the search ended at its bound: the capacity is more.
func (r *capacityRow) atBound() bool {
	return r.refutedPerS == 0 && r.confirmedPerS > 0 && r.confirmedPerS >= r.boundPerS*(1-1e-6)
}

// promiseText says what was promised, with its timings.
func (b *capacityBlock) promiseText() string {
	p := b.promise
	return fmt.Sprintf("%s of renewals within %s of their due time, none later than its lease allows; each lease lasts %s and is renewed every %s",
		percentileOf(p.Quantile), time.Duration(p.LimitNs), seconds(p.LeaseSeconds), seconds(p.RenewSeconds))
}

func percentileOf(q float64) string { return fmt.Sprintf("%.7g%%", 100*q) }

// promiseName is the promise with blanks: "p99.9 <= 10ms".
func (b *capacityBlock) promiseName() string {
	return strings.ReplaceAll(b.promise.Promise, "<=", " <= ")
}

// ranked returns the rows that may win, the most leases first.
func (b *capacityBlock) ranked() []*capacityRow {
	rows := slices.DeleteFunc(slices.Clone(b.rows), func(r *capacityRow) bool {
		return r.status != statusOK || r.confirmedPerS == 0 || len(r.losses) > 0 || r.early || r.engine.Role == "baseline"
	})
	slices.SortStableFunc(rows, func(x, y *capacityRow) int { return cmp.Compare(y.confirmedPerS, x.confirmedPerS) })
	return rows
}

// meets reports whether the brackets of two rows overlap, x holding more.
func (r *capacityRow) meets(other *capacityRow) bool {
	return other.refutedPerS == 0 || other.refutedPerS > r.confirmedPerS
}

// capacityVerdict is the headline: who holds the most leases at the promise.
func (r *Report) capacityVerdict(b *capacityBlock) string {
	head := strings.ToUpper(b.durability[:1]) + b.durability[1:] + ": "
	if b.promise == nil {
		return head + "no capacity was measured"
	}
	rows := b.ranked()
	under := fmt.Sprintf(" at %s, leases renewed every %s", b.promiseName(), seconds(b.promise.RenewSeconds))
	if len(rows) == 0 && b.lagged() {
		return head + "not a valid measurement: the load generator's own lag broke " + b.promiseName() + " in every trial, so this machine was too busy to tell"
	}
	if len(rows) == 0 {
		return head + "no engine was confirmed to keep " + b.promiseName() + " at any rate"
	}
	best := rows[0]
	text := fmt.Sprintf("%s holds %s%s", best.engine.Name, b.bracket(best), under)
	tied := []string{best.engine.Name}
	for _, row := range rows[1:] {
		if best.meets(row) {
			tied = append(tied, row.engine.Name)
		}
	}
	switch {
	case len(rows) == 1:
		text += "; it is the only one confirmed"
	case len(tied) > 1:
		text = fmt.Sprintf("no single winner: the brackets of %s overlap, %s%s", list(tied), b.bracket(best), under)
	default:
		next := rows[1]
		text += fmt.Sprintf("; runner-up %s holds %s", next.engine.Name, b.bracket(next))
	}
	return head + text
}

// lagged reports whether the load generator's lag refuted every engine that ran.
func (b *capacityBlock) lagged() bool {
	ran := false
	for _, r := range b.rows {
		if r.status == statusOK && r.refutedPerS > 0 {
			if ran = true; !r.generatorBound {
				return false
			}
		}
	}
	return ran
}

// bracket is a capacity in words: "120 k leases (refuted at 132 k)".
func (b *capacityBlock) bracket(r *capacityRow) string {
	if r.confirmedPerS == 0 {
		if r.refutedPerS > 0 {
			return "fewer than " + number(b.leases(r.refutedPerS)) + " leases"
		}
		return "no confirmed number of leases"
	}
	n := number(b.leases(r.confirmedPerS))
	switch {
	case r.atBound():
		return n + " leases at least (the bound of the search)"
	case r.refutedPerS == 0:
		return n + " leases at least"
	}
	return fmt.Sprintf("%s leases (refuted at %s)", n, number(b.leases(r.refutedPerS)))
}

// logInterval is the 95% confidence interval of the geometric mean of positive
// values, by Student's t on their logarithms. Not ok below three values.
func logInterval(values []float64) (lo, hi float64, ok bool) {
	// Two-sided 95% quantiles of t for 2, 3, ... degrees of freedom (any table).
	t := []float64{4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228}
	n := len(values)
	if n < 3 || slices.Min(values) <= 0 {
		return 0, 0, false
	}
	mean, squares := 0.0, 0.0
	for _, v := range values {
		mean += math.Log(v) / float64(n)
	}
	for _, v := range values {
		squares += math.Pow(math.Log(v)-mean, 2)
	}
	half := t[min(n-3, len(t)-1)] * math.Sqrt(squares/float64(n-1)/float64(n))
	return math.Exp(mean - half), math.Exp(mean + half), true
}
