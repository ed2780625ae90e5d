package durability

import (
	"fmt"
	"slices"
	"time"

	"orbitbench/engines"
	"orbitbench/harness/result"
)

// verdict judges what was seen. It is called once, after the last event.
func (j *judge) verdict(d *result.Durability) {
	d.Phases = j.phases
	acks := 0
	for i := range d.Phases {
		p := &d.Phases[i]
		acks += p.Acks
		n := 0
		for kind, c := range p.Syncs {
			if kind != result.SyncFileRange && kind != result.SyncDirectory {
				n += c
			}
		}
		if p.Acks > 0 {
			p.SyncsPerAck = float64(n) / float64(p.Acks)
		}
	}
	switch {
	case acks == 0:
		d.Verdict, d.Reason = result.DurabilityNotVerified, "the trace saw no acknowledgement"
	case j.class == engines.None:
		d.Verdict = result.DurabilityNothing
	case j.class == engines.Interval:
		j.judgeInterval(d)
	default:
		j.judgeOrder(d)
	}
}

// judgeOrder judges classes sync and process: what the class wants must have
// happened before the acknowledgement.
func (j *judge) judgeOrder(d *result.Durability) {
	var early *commit
	for _, c := range j.order {
		switch {
		case c.acked == 0:
		case j.kept(c):
			d.ByContent++
		case c.first == nil && c.orderKept:
			d.ByOrder++
		default:
			d.Early++
			if early == nil {
				early = c
			}
		}
	}
	switch {
	case d.Early > 0 && j.rings > 0:
		d.Verdict, d.Reason = result.DurabilityNotProven, "the engine hands work to an io_uring, which the trace cannot look into"
	case d.Early > 0:
		d.Verdict = result.DurabilityEarly
		d.Reason = fmt.Sprintf("%d of %d commits; the first one, %s %d of %s, %s", d.Early, d.Early+d.ByContent+d.ByOrder,
			kindName(early.kind), early.number, writersText(early.writers), j.story(early))
	case d.ByContent == 0:
		d.Verdict = result.DurabilityNotProven
		d.Reason = "the bytes of the commits were recognised in no write; some write and, where the class wants it, its sync came before each acknowledgement"
	default:
		d.Verdict = result.DurabilityProven
	}
}

// kept reports whether the commit's own bytes were where the class wants them
// when it was acknowledged.
func (j *judge) kept(c *commit) bool {
	if j.class == engines.Sync {
		return c.durable && c.durableNo < c.acked
	}
	return c.first != nil && c.first.end < c.acked
}

// story says what became of a commit that was acknowledged early.
func (j *judge) story(c *commit) string {
	switch {
	case c.first == nil && j.class == engines.Sync:
		return "had no write that was synced in between"
	case c.first == nil:
		return "never left the process"
	case j.class != engines.Sync:
		return fmt.Sprintf("left the process %s after its acknowledgement, to %s", brief(c.first.at-c.ackedAt), c.first.name)
	case !c.durable && c.first.end > c.acked:
		return fmt.Sprintf("was written to %s %s after its acknowledgement, and never synced", c.first.name, brief(c.first.at-c.ackedAt))
	case !c.durable:
		return fmt.Sprintf("was written to %s, which was not synced", c.first.name)
	}
	return fmt.Sprintf("was durable in %s %s after its acknowledgement", c.first.name, brief(c.durableAt-c.ackedAt))
}

// judgeInterval judges class interval: each commit must become durable within a
// window of its acknowledgement. The trace, and others on the machine, stretch
// single times, so that a proof takes half of the commits within the window and
// nine in ten within two; what is beyond four in the median breaks the promise.
func (j *judge) judgeInterval(d *result.Durability) {
	var lags []time.Duration
	var lost *commit
	unseen := 0
	seen := j.seenKinds()
	for _, c := range j.order {
		switch {
		case c.acked == 0:
		case !seen[c.kind]:
			d.ByOrder++ // the format packs this kind: nothing is known but that there were syncs
		case c.durable:
			d.ByContent++
			lags = append(lags, max(0, c.durableAt-c.ackedAt))
		case c.first == nil:
			unseen++
		default:
			d.Early++
			lost = c
		}
	}
	all := len(lags) + unseen + d.Early + d.ByOrder
	if len(lags) > 0 {
		slices.Sort(lags)
		d.LagP50Ns, d.LagMaxNs = int64(lags[len(lags)/2]), int64(lags[len(lags)-1])
	}
	synced := j.syncs()
	switch {
	case j.rings > 0 && (d.Early > 0 || unseen > 0):
		d.Verdict, d.Reason = result.DurabilityNotProven, "the engine hands work to an io_uring, which the trace cannot look into"
	case d.Early > 0:
		d.Verdict = result.DurabilityEarly
		d.Reason = fmt.Sprintf("%d of %d commits were not durable %s after the last acknowledgement; one was written to %s", d.Early, all,
			grace(engines.Durability{Class: engines.Interval, Window: j.window}), lost.first.name)
	case synced == 0:
		d.Verdict, d.Reason = result.DurabilityEarly, fmt.Sprintf("nothing was synced while %d commits were acknowledged", all)
	case len(lags) == 0:
		d.Verdict, d.Reason = result.DurabilityNotProven, "the bytes of the commits were recognised in no write, so their way to the device is not known"
	case unseen > 0:
		d.Verdict = result.DurabilityEarly
		d.Reason = fmt.Sprintf("%d of %d commits reached no file, long after their window", unseen, all)
	default:
		j.judgeLags(d, lags)
	}
}

// seenKinds tells the kinds of commit of which one's bytes were seen at least.
func (j *judge) seenKinds() map[byte]bool {
	seen := map[byte]bool{}
	for _, c := range j.order {
		if c.first != nil {
			seen[c.kind] = true
		}
	}
	return seen
}

func (j *judge) judgeLags(d *result.Durability, lags []time.Duration) {
	median, most := lags[len(lags)/2], lags[len(lags)*9/10]
	switch {
	case median > 4*j.window:
		d.Verdict = result.DurabilityEarly
		d.Reason = fmt.Sprintf("half of the commits were durable more than %s after their acknowledgement, the window is %s", brief(median), j.window)
	case median > j.window || most > 2*j.window:
		d.Verdict = result.DurabilityNotProven
		d.Reason = fmt.Sprintf("commits were durable %s after their acknowledgement in the median and %s at the 90th percentile, the window is %s; "+
			"the trace and the machine's load may have stretched it", brief(median), brief(most), j.window)
	default:
		d.Verdict = result.DurabilityProven
	}
}

// syncs is how many calls of the phases made something durable.
func (j *judge) syncs() int {
	n := 0
	for _, p := range j.phases {
		for kind, c := range p.Syncs {
			if kind != result.SyncFileRange && kind != result.SyncDirectory {
				n += c
			}
		}
	}
	return n
}

func writersText(n int) string {
	if n == 1 {
		return "1 writer"
	}
	return fmt.Sprintf("%d writers", n)
}

// brief is d without the digits that no trace can know.
func brief(d time.Duration) time.Duration { return d.Round(10 * time.Microsecond) }
