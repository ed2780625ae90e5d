package reports

import (
	"bytes"
	"cmp"
	"encoding/csv"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"orbitbench/harness/result"
	"orbitbench/reports/stats"
)

// curveBlock is the recovery curve of every engine under one durability.
type curveBlock struct {
	durability string
	points     []*curvePoint  // by log, size and engine in the order of the run
	at         []*curvePoint  // the largest store with the longest log, that can be ranked
	contest    *stats.Contest // of at; nil without any
}

// curvePoint is one engine with one size and log. Times are in nanoseconds by cache.
type curvePoint struct {
	engine        *result.Engine
	key, workload string // of its cell
	status        status
	reason        string
	leases        int
	wanted        string // the log that was asked for, part of the workload's name
	rec           *result.Recovery
	read, write   map[string][]float64
	losses, flags []string
	early         bool // a trace saw the engine acknowledge before its promise: it is not ranked
}

// rankable reports whether the point was measured cold and nothing disqualifies it.
func (p *curvePoint) rankable() bool {
	return len(p.read["cold"]) > 0 && len(p.losses) == 0 && !p.early
}

// The states of the page cache that the curve shows.
var caches = []string{"cold", "warm"}

// curves sorts the cells of kind recovery_curve.
func (r *Report) curves(items []item) (blocks []*curveBlock, warnings []string) {
	byName := map[string]*curveBlock{}
	for _, it := range items {
		if it.kind != result.KindCurve {
			continue
		}
		b := byName[it.plan.Durability]
		if b == nil {
			b = &curveBlock{durability: it.plan.Durability}
			byName[it.plan.Durability] = b
			blocks = append(blocks, b)
		}
		p := newCurvePoint(it)
		for i := range r.Run.Engines {
			if r.Run.Engines[i].Name == it.plan.Engine {
				p.engine = &r.Run.Engines[i]
			}
		}
		if d := r.Run.DurabilityOf(it.plan.Engine, it.plan.Durability); d != nil && d.Verdict == result.DurabilityEarly {
			p.early = true
			p.flags = append(p.flags, notRanked(d))
		}
		b.points = append(b.points, p)
		if it.cell != nil {
			for _, w := range it.cell.Warnings {
				warnings = append(warnings, fmt.Sprintf("%s %s: %s", it.plan.Engine, it.plan.Workload, oneLine(w)))
			}
		}
	}
	order := map[string]int{}
	for i, e := range r.Run.Engines {
		order[e.Name] = i
	}
	for _, b := range blocks {
		slices.SortStableFunc(b.points, func(x, y *curvePoint) int {
			return cmp.Or(cmp.Compare(len(x.wanted), len(y.wanted)), cmp.Compare(x.wanted, y.wanted),
				cmp.Compare(x.leases, y.leases), cmp.Compare(order[x.engine.Name], order[y.engine.Name]))
		})
	}
	return blocks, warnings
}

func newCurvePoint(it item) *curvePoint {
	p := &curvePoint{key: it.plan.Key, workload: it.plan.Workload, status: statusMissing, reason: "the run ended before this cell", read: map[string][]float64{}, write: map[string][]float64{}}
	_, p.wanted, _ = strings.Cut(p.workload, "-log-")
	c := it.cell
	if c == nil {
		return p
	}
	p.leases, p.status, p.reason = c.Params.Actors, status(c.Status), c.Reason
	for _, l := range lossesOf(c) {
		p.losses = append(p.losses, l)
		p.flags = append(p.flags, "DATA LOSS: "+l)
	}
	if c.Status != result.OK {
		p.reason = orUnknown(p.reason)
		return p
	}
	p.rec, p.leases = c.Recovery, c.Recovery.Leases
	for _, t := range c.Recovery.Repetitions {
		if slices.Contains(caches, t.Cache) && t.Lost == 0 {
			p.read[t.Cache] = append(p.read[t.Cache], float64(t.FirstReadNs))
			p.write[t.Cache] = append(p.write[t.Cache], float64(t.FirstWriteNs))
		}
	}
	return p
}

// spread is a median with its interval: "238 ms (230 ms-251 ms)".
func spread(values []float64) string {
	m, ok := median(values)
	if !ok {
		return noFigure
	}
	if len(values) == 1 {
		return duration(m)
	}
	lo, hi := middle(values)
	return fmt.Sprintf("%s (%s)", duration(m), durationRange(lo, hi))
}

func (b *curveBlock) table() *table {
	t := &table{columns: []column{
		{head: "leases"}, {head: "engine", left: true}, {group: "log", head: "renewals", keep: 90}, {group: "log", head: "user bytes", keep: 40},
		{group: "first read, median (interval)", head: "cold", keep: 100}, {group: "first read, median (interval)", head: "warm", keep: 99},
		{group: "first write", head: "cold", keep: 80}, {group: "read p50/p99 after", head: "cold", keep: 70}, {group: "read p50/p99 after", head: "warm", keep: 60},
		{head: "store", keep: 50}, {head: "copies", keep: 45}, {head: "n", keep: 85},
	}}
	for _, p := range b.points {
		line := tableRow{cells: make([]string, len(t.columns)), flags: p.flags}
		line.cells[0], line.cells[1] = round(float64(p.leases)), p.engine.Name
		if p.rec == nil {
			line.cells[0] = p.workload
			line.note, line.style = fmt.Sprintf("%s %s: %s", p.engine.Name, p.status, p.reason), dim
			if p.status == statusFailed {
				line.style = alarm
			}
			t.rows = append(t.rows, line)
			continue
		}
		k := p.rec.Curve
		write, _ := median(p.write["cold"])
		copy(line.cells[2:], []string{
			number(float64(k.LogRenewals)), size(float64(k.LogUserBytes)), spread(p.read["cold"]), spread(p.read["warm"]), durationOr(write),
			readText(k.ColdReads), readText(k.WarmReads), size(float64(k.StoreBytes)), k.Copy, strconv.Itoa(len(p.read["cold"])),
		})
		t.rows = append(t.rows, line)
	}
	return t
}

func durationOr(ns float64) string {
	if ns <= 0 {
		return noFigure
	}
	return duration(ns)
}

func readText(l *result.Latency) string {
	if l == nil || l.Count == 0 {
		return noFigure
	}
	return duration(float64(l.P50Ns)) + "/" + duration(float64(l.P99Ns))
}

const curveLegend = "The interval holds the median with 95% (by order statistics); with fewer than six recoveries it is from the fastest to the slowest. " +
	"Recovery runs from before the start of the process to the first verified read, from a copy of one killed store; cold is with no page of the copy in the kernel's cache (looked at with mincore before each start, cached_bytes; what the host below a virtual disk keeps cannot be dropped), warm with all of it there. " +
	"Copies are reflinks, which share blocks with the killed store, or copies of the bytes. " +
	"Log is what was acknowledged between the checkpoint and the kill. Reads are single leases at random after the recovery: an engine that reads its whole store at open has them in memory by then."

// stand holds the engines against each other where it is hardest: the largest
// store, the longest log, cold.
func (b *curveBlock) stand() {
	largest := 0
	for _, p := range b.points {
		if p.rankable() {
			largest = max(largest, p.leases)
		}
	}
	wanted := ""
	for _, p := range b.points { // they ascend by log
		if p.leases == largest && p.rankable() {
			wanted = p.wanted
		}
	}
	var series []stats.Series
	for _, p := range b.points {
		if p.leases == largest && p.wanted == wanted && p.rankable() {
			b.at = append(b.at, p)
			var s stats.Series
			for _, ns := range p.read["cold"] {
				s.Trials = append(s.Trials, stats.Trial{Value: ns})
			}
			series = append(series, s)
		}
	}
	if len(b.at) > 0 {
		b.contest = stats.NewContest(series, func(x, y int) stats.Floor {
			return stats.NoiseFloor(nil, "", series[x].Values(), series[y].Values())
		}, seedOfVerdicts)
	}
}

// verdict says who recovers the largest store fastest, cold.
func (b *curveBlock) verdict() string {
	head := strings.ToUpper(b.durability[:1]) + b.durability[1:] + " recovery: "
	if len(b.at) == 0 {
		return head + "nothing was measured cold"
	}
	figures := func(at []int) string {
		var parts []string
		for _, i := range at {
			parts = append(parts, b.at[i].engine.Name+" "+spread(b.at[i].read["cold"]))
		}
		return list(parts)
	}
	order, level, worse := b.contest.Order(), b.contest.Level(), b.contest.Worse()
	best := b.at[order[0]]
	text := ""
	switch {
	case len(order) == 1:
		text = figures(order[:1]) + " after its start, alone"
	case !b.contest.Decided():
		text = fmt.Sprintf("no winner is declared, %s; fastest was %s, then %s", b.contest.Against(order[1]).Why, figures(order[:1]), figures(order[1:2]))
	case len(level) == 1:
		text = fmt.Sprintf("%s reads %s after its start and is faster than every other", best.engine.Name, spread(best.read["cold"]))
	default:
		text = "no single winner, not told apart are " + figures(level)
	}
	if len(worse) > 0 {
		text += ", slower are " + figures(worse)
	}
	return head + text + fmt.Sprintf("; %s leases, a log of %s renewals, cold", round(float64(best.leases)), best.wanted)
}

func (r *Report) textCurve(t *textWriter, b *curveBlock) []column {
	t.line(plain, "")
	t.line(bold, "RECOVERY, "+b.durability+": after kill -9 of a process that was writing")
	t.line(plain, "")
	table := b.table()
	dropped := table.fit(t.width)
	t.table(table)
	return dropped
}

func (r *Report) markdownCurve(w *bytes.Buffer, b *curveBlock) {
	fmt.Fprintf(w, "\n#### recovery, %s: after kill -9 of a process that was writing\n\n", escape(b.durability))
	writeMarkdownTable(w, b.table())
	w.WriteString("\n")
	for _, p := range b.points {
		for _, f := range p.flags {
			fmt.Fprintf(w, "- **%s**: %s\n", escape(p.engine.Name), escape(f))
		}
	}
}

// curveCSV writes one line per recovery, raw.
func (r *Report) curveCSV(w io.Writer) error {
	out := csv.NewWriter(w)
	err := out.Write(strings.Split("durability,workload,engine,status,reason,leases,log_renewals,log_user_bytes,checkpointed,store_bytes,copy,cache,"+
		"open_ns,exec_to_open_ns,first_read_ns,first_write_ns,compared,lost,reads_p50_ns,reads_p99_ns,cached_bytes", ","))
	if err != nil {
		return err
	}
	for _, b := range r.curveBlocks {
		for _, p := range b.points {
			head := []string{b.durability, p.workload, p.engine.Name, string(p.status), p.reason}
			if p.rec == nil {
				if err := out.Write(append(head, make([]string, 16)...)); err != nil {
					return err
				}
				continue
			}
			k := p.rec.Curve
			integer := func(n int64) string { return strconv.FormatInt(n, 10) }
			for _, t := range p.rec.Repetitions {
				reads := map[string]*result.Latency{"cold": k.ColdReads, "warm": k.WarmReads}[t.Cache]
				p50, p99, cached := "", "", ""
				if t.CachedBytes != nil {
					cached = strconv.FormatUint(*t.CachedBytes, 10)
				}
				if reads != nil {
					p50, p99 = integer(reads.P50Ns), integer(reads.P99Ns)
				}
				if err := out.Write(append(head[:5:5], strconv.Itoa(p.leases), strconv.Itoa(k.LogRenewals), integer(int64(k.LogUserBytes)), strconv.FormatBool(k.Checkpointed),
					integer(int64(k.StoreBytes)), k.Copy, t.Cache, integer(t.OpenNs), integer(t.ExecToOpenNs), integer(t.FirstReadNs), integer(t.FirstWriteNs),
					strconv.Itoa(t.Acknowledged), strconv.Itoa(t.Lost), p50, p99, cached)); err != nil {
					return err
				}
			}
		}
	}
	out.Flush()
	return out.Error()
}
