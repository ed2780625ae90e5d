package reports

import (
	"fmt"

	"orbitbench/harness/result"
	"orbitbench/reports/page"
	"orbitbench/reports/stats"
)

// validity is what must hold for the comparison to be valid, each with what was found.
func (r *Report) validity() []page.Check {
	return []page.Check{r.checkHonesty(), r.checkRate(), r.checkCells(), r.checkSamples(), r.checkNoise(), r.checkSurvival(), r.checkCrash(), r.checkMachine()}
}

// The states of a check.
const (
	isGood  = "good"
	isDoubt = "doubt"
	isBad   = "bad"
	isOpen  = "open"
)

func (r *Report) checkHonesty() page.Check {
	c := page.Check{State: isOpen, Name: "Syncs are honest", Text: "The promises of the classes were not traced in this run.", Href: "#crash"}
	proven, early, other := 0, 0, 0
	for _, d := range r.Run.DurabilityChecks {
		switch d.Verdict {
		case result.DurabilityProven:
			proven++
		case result.DurabilityEarly:
			early++
		case result.DurabilityNothing:
		default:
			other++
		}
	}
	if n := proven + early + other; n > 0 {
		c.State, c.Text = isGood, fmt.Sprintf("The order of write, sync and acknowledgement was traced: proven for %d of %d pairs of engine and class.", proven, n)
		if other > 0 {
			c.State = isDoubt
		}
		if early > 0 {
			c.State, c.Text = isBad, c.Text+fmt.Sprintf(" %d acknowledge before their promise.", early)
		}
	}
	if floor, ok := r.floorQuantile(.5); ok {
		c.Text += fmt.Sprintf(" The device takes %s (p50) for a durable write; whether it lies about that only a power cut shows.", duration(float64(floor)))
	} else if c.State == isGood {
		c.State = isDoubt
	}
	return c
}

// eachOK calls f for every row of leases that has figures.
func (r *Report) eachOK(f func(*block, *row)) {
	for _, b := range r.blocks {
		for _, row := range b.rows {
			if row.status == statusOK && row.trials > 0 {
				f(b, row)
			}
		}
	}
}

func (r *Report) checkRate() page.Check {
	c := page.Check{State: isOpen, Name: "The offered rate was kept", Text: "No cell of this run offers a rate: its loops are closed."}
	all := 0
	var missed []string
	r.eachOK(func(b *block, row *row) {
		if row.offered > 0 {
			if all++; row.missedRate() {
				missed = append(missed, row.name()+" ("+r.blockName(b)+")")
			}
		}
	})
	if all > 0 {
		c.State, c.Text = isGood, fmt.Sprintf("All %d open-loop rows kept 98%% of the rate at least.", all)
	}
	if len(missed) > 0 {
		c.State, c.Text = isDoubt, fmt.Sprintf("%d of %d open-loop rows fell short and are not ranked: %s.", len(missed), all, list(missed))
	}
	return c
}

// checkCells is what was judged of the single measurements.
func (r *Report) checkCells() page.Check {
	c := page.Check{State: isGood, Name: "The measurements are valid", Text: "Nothing was found that decided a latency beside the engine.", Href: glossaryHref("lag")}
	all, noisy, leftOut := 0, 0, 0
	var invalid []string
	r.eachOK(func(b *block, row *row) {
		all++
		leftOut += len(row.validity.leftOut)
		if row.validity.verdict() == result.Noisy {
			noisy++
		}
		if row.invalid {
			invalid = append(invalid, row.name()+" ("+r.blockName(b)+")")
		}
	})
	switch {
	case all == 0:
		c.State, c.Text = isOpen, "Nothing was measured."
	case len(invalid) > 0:
		c.State, c.Text = isBad, fmt.Sprintf("No valid measurement, and not ranked: %s.", shorten(list(invalid), 200))
	case noisy > 0:
		c.State, c.Text = isDoubt, fmt.Sprintf("%d of %d rows have noisy trials.", noisy, all)
	}
	if leftOut > 0 {
		c.Text += fmt.Sprintf(" %s left out, which the machine had voided.", plural(leftOut, "trial"))
		if c.State == isGood {
			c.State = isDoubt
		}
	}
	return c
}

func (r *Report) checkSamples() page.Check {
	c := page.Check{State: isOpen, Name: "Samples behind p99.9", Text: "No renewal was measured.", Href: glossaryHref("write_p999")}
	least, where := uint64(0), ""
	var few []string
	r.eachOK(func(b *block, row *row) {
		d := row.latency(opWrite)
		if n := d.count(); n > 0 && (where == "" || n < least) {
			least, where = n, row.name()+" ("+r.blockName(b)+")"
		}
		if d.count() > 0 && d.few(.999) {
			few = append(few, row.name()+" ("+r.blockName(b)+")")
		}
	})
	if where == "" {
		return c
	}
	c.State, c.Text = isGood, fmt.Sprintf("Ten samples or more lie above every p99.9 of renewals; the fewest, %s in all, are of %s.", number(float64(least)), where)
	if len(few) > 0 {
		c.State, c.Text = isDoubt, fmt.Sprintf("Fewer than ten samples lie above the p99.9 of %s; marked *.", shorten(list(few), 160))
	}
	return c
}

func (r *Report) checkNoise() page.Check {
	c := page.Check{State: isDoubt, Name: "Noise from trial to trial", Text: "One trial a row: noise and difference cannot be told apart, so no winner is declared."}
	var ratios []float64
	worst, where, fewest := 0.0, "", 0
	r.eachOK(func(b *block, row *row) {
		if fewest == 0 || row.trials < fewest {
			fewest = row.trials
		}
		lo, hi, ok := row.latency(opWrite).trialRange(.99)
		if !ok || row.trials < 2 || lo <= 0 {
			return
		}
		f := float64(hi) / float64(lo)
		ratios = append(ratios, f)
		if f > worst {
			worst, where = f, row.name()+" ("+r.blockName(b)+")"
		}
	})
	mid, ok := median(ratios)
	if fewest == 0 {
		c.State, c.Text = isOpen, "Nothing was measured."
		return c
	}
	if !ok {
		return c
	}
	c.Text = fmt.Sprintf("The highest p99 of a row's trials is %s its lowest in the middle row, %s at worst (%s).", factor(mid), factor(worst), where)
	for _, b := range r.allBlocks() {
		if b.noise != nil {
			c.Text += " " + b.noise.String()
			break
		}
	}
	if mid < 1.3 && fewest >= stats.LeastTrials {
		c.State = isGood
	}
	return c
}

func (r *Report) checkSurvival() page.Check {
	c := page.Check{State: isOpen, Name: "Nothing acknowledged was lost", Text: "No check was made.", Href: "#crash"}
	records, kills := 0, 0
	for _, cell := range r.Cells {
		if cell.Check != nil {
			records += cell.Check.Records
		}
		if cell.Recovery != nil {
			kills += len(cell.Recovery.Repetitions)
		}
	}
	if records+kills > 0 {
		c.State, c.Text = isGood, fmt.Sprintf("%s records compared after a clean close, and every lease after %s of a writing process.", number(float64(records)), plural(kills, "kill"))
	}
	if loss := r.DataLoss(); len(loss) > 0 {
		c.State, c.Text = isBad, plural(len(loss), "breach")+" of a class: "+shorten(loss[0], 160)+"."
		if len(loss) != 1 {
			c.Text = fmt.Sprintf("%d breaches of a class, the first: %s.", len(loss), shorten(loss[0], 160))
		}
	}
	return c
}

func (r *Report) checkMachine() page.Check {
	c := page.Check{State: isOpen, Name: "The machine", Text: "It was not examined before the run.", Href: "#environment"}
	passed := 0
	for _, f := range r.Run.Doctor {
		if f.Status == result.FindingPass {
			passed++
		}
	}
	wrong := r.wrong()
	switch {
	case wrong != "":
		c.State, c.Text = isDoubt, wrong+"."
	case passed > 0:
		c.State, c.Text = isGood, fmt.Sprintf("All %d checks of orbitbench doctor passed.", passed)
	}
	return c
}
