package reports

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"orbitbench/harness/result"
)

// capacityTable is the table of a block.
func (b *capacityBlock) table() *table {
	t := &table{columns: []column{
		{head: "engine", left: true}, {group: "capacity", head: "leases", keep: 100}, {group: "capacity", head: "refuted at", keep: 99}, {group: "capacity", head: "per s", keep: 90},
		{group: "at that rate", head: b.percentile(), keep: 98}, {group: "at that rate", head: "stall", keep: 97}, {group: "at that rate", head: "slack", keep: 60},
		{group: "leases lost in time", head: "late", keep: 96}, {group: "leases lost in time", head: "ran out", keep: 95},
		{group: "trials", head: "kept", keep: 94}, {group: "searches", head: "per s", keep: 50}, {group: "searches", head: "95% CI", keep: 40},
	}}
	for _, r := range b.rows {
		line := tableRow{cells: make([]string, len(t.columns)), flags: r.flags}
		line.cells[0] = r.engine.Name
		if r.status != statusOK {
			line.note, line.style = fmt.Sprintf("%s: %s", r.status, r.reason), dim
			if r.status == statusFailed {
				line.style = alarm
			}
		} else {
			copy(line.cells[1:], b.figures(r))
		}
		t.rows = append(t.rows, line)
	}
	return t
}

// percentile is the name of the promised one: "p99.9".
func (b *capacityBlock) percentile() string {
	if b.promise == nil {
		return "promised"
	}
	name, _, _ := strings.Cut(b.promise.Promise, "<=")
	return name
}

// figures are a row's cells behind its name. What is said "at that rate" is of
// the confirmed rate, or where none was, of the lowest that was tried.
func (b *capacityBlock) figures(r *capacityRow) []string {
	out := []string{noFigure, noFigure, noFigure}
	if r.confirmedPerS > 0 {
		out[0], out[2] = number(b.leases(r.confirmedPerS)), number(r.confirmedPerS)
		if r.refutedPerS == 0 {
			out[0] = ">= " + out[0]
		}
	} else if r.refutedPerS > 0 {
		out[0] = "< " + number(b.leases(r.refutedPerS))
	}
	if r.refutedPerS > 0 {
		out[1] = number(b.leases(r.refutedPerS))
	}
	at, kept := r.confirmedPerS, 0
	for _, t := range r.trials {
		if t.Kept {
			kept++
		}
	}
	promised, stall, slack, late, gone := noFigure, noFigure, noFigure, uint64(0), uint64(0)
	var highest, longest int64
	for _, t := range r.trials {
		if at > 0 && sameRate(t.RatePerS, at) && t.Renewals.Count > 0 {
			highest, longest = max(highest, t.PromisedNs), max(longest, t.Lease.LongestStallNs)
			promised, stall, slack = duration(float64(highest)), duration(float64(longest)), duration(float64(t.Lease.SlackNs))
			late, gone = late+t.Lease.DeadlineMisses, gone+t.Lease.FalseExpiries
		}
	}
	lateText, goneText := noFigure, noFigure
	if promised != noFigure {
		lateText, goneText = strconv.FormatUint(late, 10), strconv.FormatUint(gone, 10)
	}
	out = append(out, promised, stall, slack, lateText, goneText, fmt.Sprintf("%d/%d", kept, len(r.trials)))
	return append(out, searchTexts(r.searches)...)
}

// searchTexts are the median of the rates that the searches kept, and its interval.
func searchTexts(searches []float64) []string {
	m, ok := median(searches)
	if !ok {
		return []string{noFigure, noFigure}
	}
	out := []string{number(m), noFigure}
	if len(searches) > 1 {
		out[1] = number(slices.Min(searches)) + "-" + number(slices.Max(searches)) + " (range)"
	}
	if lo, hi, ok := logInterval(searches); ok {
		out[1] = number(lo) + "-" + number(hi)
	}
	return out
}

func (r *Report) textCapacity(t *textWriter, b *capacityBlock) (dropped []column) {
	t.line(plain, "")
	t.line(bold, "CAPACITY, "+b.durability+": "+classMeaning(b.durability))
	if b.promise != nil {
		t.paragraph("", b.promiseText(), dim)
	}
	t.line(plain, "")
	table := b.table()
	dropped = table.fit(t.width)
	t.table(table)
	return append(dropped, r.textLadder(t, b)...)
}

const capacityLegend = "Capacity is the highest rate confirmed in trials with all its leases loaded, times the interval; refuted at is the lowest number of leases whose trials missed the promise. " +
	"Latency runs from the due time. Late is renewals acknowledged after their lease had run out, ran out is leases found past their end while their holder was alive; " +
	"stall is the longest that a renewal took, slack what its lease allows. Searches are short probes of a smaller store: they say where to confirm. " +
	"Saturated is a rate of which less than 99% was achieved; lag is the generator's own lateness, in flight the most renewals that were due and not done."

func (r *Report) markdownCapacity(b *bytes.Buffer, bl *capacityBlock) {
	fmt.Fprintf(b, "\n#### capacity, %s: %s\n\n", escape(bl.durability), classMeaning(bl.durability))
	if bl.promise != nil {
		fmt.Fprintf(b, "%s\n\n", escape(bl.promiseText()))
	}
	writeMarkdownTable(b, bl.table())
	b.WriteString("\n")
	for _, row := range bl.rows {
		for _, f := range row.flags {
			fmt.Fprintf(b, "- **%s**: %s\n", escape(row.engine.Name), escape(f))
		}
	}
	fmt.Fprintf(b, "\n%s\n", escape(bl.ladderText()))
	fmt.Fprintf(b, "\n<details><summary>Every rate, offered against achieved</summary>\n\n")
	writeMarkdownTable(b, bl.ladderTable(every))
	fmt.Fprintf(b, "\n</details>\n\n<details><summary>Every confirmation</summary>\n\n")
	t := &table{columns: []column{{head: "engine", left: true}, {head: "leases"}, {head: "per s"}, {head: "achieved per s"}, {head: "promised percentile"}, {head: "over"}, {head: "allowed"}, {head: "outcome", left: true}}}
	for _, row := range bl.rows {
		for _, p := range row.trials {
			outcome := "kept"
			if !p.Kept {
				outcome = p.Reason
			}
			t.rows = append(t.rows, tableRow{cells: []string{row.engine.Name, number(float64(p.Leases)), number(p.RatePerS), number(p.AchievedPerS), duration(float64(p.PromisedNs)),
				number(float64(p.Over)), number(float64(p.Allowed)), outcome}})
		}
	}
	writeMarkdownTable(b, t)
	b.WriteString("\n</details>\n")
}

// capacityCSV writes one line per probe and confirmation, raw, with the unit at
// the end of each column's name, and behind them the bracket of the engine.
func (r *Report) capacityCSV(w io.Writer) error {
	out := csv.NewWriter(w)
	err := out.Write(strings.Split("durability,engine,status,reason,promise,renew_seconds,lease_seconds,role,leases,rate_per_s,achieved_per_s,seconds,offered,"+
		"promised_ns,p50_ns,p99_ns,max_ns,over,allowed,deadline_misses,false_expiries,longest_stall_ns,slack_ns,kept,generator_bound,why_missed,achieved_share,lag_p50_ns,lag_p99_ns,in_flight_max,dropped,confirmed_leases,refuted_leases", ","))
	if err != nil {
		return err
	}
	for _, b := range r.capacityBlocks {
		for _, row := range b.rows {
			if err := b.csvRow(out, row); err != nil {
				return err
			}
		}
	}
	out.Flush()
	return out.Error()
}

func (b *capacityBlock) csvRow(out *csv.Writer, row *capacityRow) error {
	head := []string{b.durability, row.engine.Name, string(row.status), row.reason, "", "", ""}
	tail := []string{"", ""}
	if b.promise != nil {
		head[4], head[5], head[6] = b.promise.Promise, csvFloat(b.promise.RenewSeconds, true), csvFloat(b.promise.LeaseSeconds, true)
		tail[0], tail[1] = csvFloat(b.leases(row.confirmedPerS), row.confirmedPerS > 0), csvFloat(b.leases(row.refutedPerS), row.refutedPerS > 0)
	}
	if len(row.probes)+len(row.trials) == 0 {
		return out.Write(slices.Concat(head, make([]string, 24), tail))
	}
	for role, probes := range [][]result.CapacityProbe{row.probes, row.trials} {
		for _, p := range probes {
			count := func(n uint64) string { return strconv.FormatUint(n, 10) }
			ns := func(n int64) string { return csvFloat(float64(n), p.Renewals.Count > 0) }
			if err := out.Write(slices.Concat(head, []string{
				[]string{result.CapacitySearch, result.CapacityConfirm}[role], strconv.Itoa(p.Leases), csvFloat(p.RatePerS, true), csvFloat(p.AchievedPerS, p.Offered > 0),
				csvFloat(p.Seconds, p.Offered > 0), count(p.Offered), ns(p.PromisedNs), ns(p.Renewals.P50Ns), ns(p.Renewals.P99Ns), ns(p.Renewals.MaxNs),
				count(p.Over), count(p.Allowed), count(p.Lease.DeadlineMisses), count(p.Lease.FalseExpiries), ns(p.Lease.LongestStallNs), ns(p.Lease.SlackNs),
				strconv.FormatBool(p.Kept), strconv.FormatBool(p.GeneratorBound), p.Reason,
				csvFloat(p.AchievedPerS/p.RatePerS, p.Offered > 0), ns(p.LagP50Ns), ns(p.LagP99Ns), strconv.Itoa(p.InFlightMax), count(p.Dropped),
			}, tail)); err != nil {
				return err
			}
		}
	}
	return nil
}
