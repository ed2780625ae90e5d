package reports

import (
	"encoding/csv"
	"io"
	"strconv"
	"strings"

	"orbitbench/harness/result"
	"orbitbench/reports/stats"
)

// csvRow is what one line of the CSV is made of: an operation and outcome of a
// row, or the row alone where it has no operation (op is nil).
type csvRow struct {
	block *block
	row   *row
	key   opKey
	op    *op
}

// csvColumn is one column of the CSV. value returns "" for a figure that was
// not taken.
type csvColumn struct {
	name  string
	value func(*Report, csvRow) string
}

// CSV writes one line per engine, durability class, operation and outcome, with
// the unit at the end of each column's name and every figure raw. What belongs
// to the engine as a whole (recovery, memory, disk) is repeated in each of its
// lines. An engine without figures has one line with its status and reason.
// An empty field is a figure that was not taken. Its only errors are those of w.
func (r *Report) CSV(w io.Writer) error {
	out := csv.NewWriter(w)
	columns := csvColumns()
	names := make([]string, len(columns))
	for i, c := range columns {
		names[i] = c.name
	}
	if err := out.Write(names); err != nil {
		return err
	}
	for _, b := range r.allBlocks() {
		for _, row := range b.rows {
			lines := []csvRow{}
			for _, k := range row.keys() {
				lines = append(lines, csvRow{b, row, k, row.ops[k]})
			}
			if len(lines) == 0 {
				lines = append(lines, csvRow{block: b, row: row})
			}
			for _, line := range lines {
				for i, c := range columns {
					names[i] = c.value(r, line)
				}
				if err := out.Write(names); err != nil {
					return err
				}
			}
		}
	}
	out.Flush()
	return out.Error()
}

func csvColumns() []csvColumn {
	columns := csvIdentity()
	columns = append(columns, csvLatency()...)
	columns = append(columns, csvClaims()...)
	columns = append(columns, csvPromise()...)
	columns = append(columns, csvResources()...)
	return append(columns, csvValidity()...)
}

// csvPromise is what a trace found about the engine and class.
func csvPromise() []csvColumn {
	perAck := func(phase int) func(*Report, csvRow) string {
		return csvText(func(l csvRow) string {
			if l.row.promise == nil || phase >= len(l.row.promise.Phases) {
				return ""
			}
			return csvFloat(l.row.promise.Phases[phase].SyncsPerAck, true)
		})
	}
	return []csvColumn{
		{"promise_verdict", csvText(func(l csvRow) string {
			if l.row.promise == nil {
				return ""
			}
			return l.row.promise.Verdict
		})},
		{"syncs_per_ack_one_writer", perAck(0)},
		{"syncs_per_ack_many_writers", perAck(1)},
	}
}

func csvText(f func(csvRow) string) func(*Report, csvRow) string {
	return func(_ *Report, l csvRow) string { return f(l) }
}

func csvFloat(f float64, ok bool) string {
	if !ok {
		return ""
	}
	return strconv.FormatFloat(f, 'g', 10, 64)
}

func csvIdentity() []csvColumn {
	return []csvColumn{
		{"workload", csvText(func(l csvRow) string { return l.block.workload })},
		{"durability", csvText(func(l csvRow) string { return l.block.durability })},
		{"class", csvText(func(l csvRow) string { return classOf(l.block.durability) })},
		{"engine", csvText(func(l csvRow) string { return l.row.engine.Name })},
		{"role", csvText(func(l csvRow) string { return l.row.engine.Role })},
		{"path", csvText(func(l csvRow) string { return l.row.path })},
		{"status", csvText(func(l csvRow) string { return string(l.row.status) })},
		{"reason", csvText(func(l csvRow) string { return l.row.reason })},
		{"flags", csvText(func(l csvRow) string { return strings.Join(l.row.flags, "; ") })},
		{"warnings", csvText(func(l csvRow) string { return strings.Join(l.row.warnings, "; ") })},
		{"preview", func(r *Report, _ csvRow) string { return strconv.FormatBool(r.Run.Preview) }},
		{"trials", csvText(func(l csvRow) string { return strconv.Itoa(l.row.trials) })},
		{"trials_planned", csvText(func(l csvRow) string { return strconv.Itoa(l.row.planned) })},
		{"loop", csvText(func(l csvRow) string { return l.row.loop })},
		{"latency_from", csvText(func(l csvRow) string {
			return map[string]string{"open": "intended start", "closed": "call"}[l.row.loop]
		})},
		{"offered_per_s", csvText(func(l csvRow) string { return csvFloat(l.row.offered, l.row.offered > 0) })},
		{"achieved_median_per_s", csvText(func(l csvRow) string { return csvFloat(median(l.row.achieved)) })},
		{"rate_held", csvText(func(l csvRow) string {
			if l.row.offered == 0 || l.row.trials == 0 {
				return ""
			}
			return strconv.FormatBool(!l.row.missedRate())
		})},
		{"op", csvText(func(l csvRow) string { return l.key.name })},
		{"outcome", csvText(func(l csvRow) string { return l.key.outcome })},
	}
}

// csvQuantiles are the columns' names for quantiles.
var csvQuantiles = []struct {
	name string
	q    float64
}{{"p50", quantiles[0]}, {"p90", quantiles[1]}, {"p99", quantiles[2]}, {"p999", quantiles[3]}, {"p9999", quantiles[4]}}

// latency returns the line's latency, nil where it has no operation.
func (l csvRow) latency() *dist {
	if l.op == nil {
		return nil
	}
	return l.op.latency
}

func csvLatency() []csvColumn {
	columns := []csvColumn{
		{"samples", csvText(func(l csvRow) string { return csvFloat(float64(l.latency().count()), l.op != nil) })},
		{"out_of_range", csvText(func(l csvRow) string {
			if l.op == nil {
				return ""
			}
			return strconv.FormatUint(l.op.latency.outOfRange, 10)
		})},
		{"min_ns", csvText(func(l csvRow) string {
			if d := l.latency(); d != nil && d.hist != nil {
				return strconv.FormatInt(d.min, 10)
			}
			return ""
		})},
	}
	for _, c := range csvQuantiles {
		columns = append(columns, csvColumn{c.name + "_ns", csvText(func(l csvRow) string {
			ns, ok := l.latency().quantile(c.q)
			return csvFloat(float64(ns), ok)
		})})
	}
	columns = append(columns, csvColumn{"max_ns", csvText(func(l csvRow) string {
		ns, ok := l.latency().quantile(1)
		return csvFloat(float64(ns), ok)
	})}, csvColumn{"fewer_than_10_samples_above", csvText(func(l csvRow) string {
		var few []string
		for _, c := range csvQuantiles {
			if l.op != nil && l.op.latency.few(c.q) {
				few = append(few, c.name)
			}
		}
		return strings.Join(few, " ")
	})})
	for _, c := range csvQuantiles {
		columns = append(columns, csvColumn{c.name + "_lowest_trial_ns", csvText(func(l csvRow) string {
			lo, _, ok := l.latency().trialRange(c.q)
			return csvFloat(float64(lo), ok)
		})}, csvColumn{c.name + "_highest_trial_ns", csvText(func(l csvRow) string {
			_, hi, ok := l.latency().trialRange(c.q)
			return csvFloat(float64(hi), ok)
		})})
	}
	for _, c := range csvQuantiles {
		columns = append(columns, csvColumn{"service_" + c.name + "_ns", csvText(func(l csvRow) string {
			if l.op == nil {
				return ""
			}
			ns, ok := l.op.service.quantile(c.q)
			return csvFloat(float64(ns), ok)
		})})
	}
	return columns
}

// writes are the operations that wait for the device under class sync: only
// these are given as a ratio to the floor.
var writes = map[string]bool{"renew": true, "acquire": true, "release": true}

func csvClaims() []csvColumn {
	floor := func(q float64) func(*Report, csvRow) string {
		return func(r *Report, _ csvRow) string {
			ns, ok := r.floorQuantile(q)
			return csvFloat(float64(ns), ok)
		}
	}
	ratioTo := func(q float64) func(*Report, csvRow) string {
		return func(r *Report, l csvRow) string {
			if !writes[l.key.name] {
				return ""
			}
			return csvFloat(r.floorRatio(l.latency(), q))
		}
	}
	columns := []csvColumn{
		{"floor_p50_ns", floor(.5)},
		{"floor_p99_ns", floor(.99)},
		{"p50_to_floor_ratio", ratioTo(.5)},
		{"p99_to_floor_ratio", ratioTo(.99)},
	}
	for _, a := range aspects {
		judged := func(f func(*claim, verdict) string) func(*Report, csvRow) string {
			return func(_ *Report, l csvRow) string {
				c := claimFor(l.row.engine)
				if c == nil {
					return ""
				}
				return f(c, a.verdict(l.row))
			}
		}
		prefix := "claimed_" + a.name
		columns = append(columns,
			csvColumn{prefix + "_low_ns", judged(func(c *claim, _ verdict) string { return csvFloat(a.claimed(c).lo, true) })},
			csvColumn{prefix + "_high_ns", judged(func(c *claim, _ verdict) string { return csvFloat(a.claimed(c).hi, true) })},
			csvColumn{prefix + "_verdict", judged(func(_ *claim, v verdict) string { return v.word })},
			csvColumn{prefix + "_factor", judged(func(_ *claim, v verdict) string { return csvFloat(v.factor, v.factor > 0) })},
			csvColumn{prefix + "_reason", judged(func(_ *claim, v verdict) string { return v.reason })})
	}
	return columns
}

func csvResources() []csvColumn {
	medianOf := func(name string, get func(*row) []float64) csvColumn {
		return csvColumn{name, csvText(func(l csvRow) string { return csvFloat(median(get(l.row))) })}
	}
	edge := func(name string, pick func(...float64) float64) csvColumn {
		return csvColumn{name, csvText(func(l csvRow) string {
			v := l.row.recovery.firstRead
			return csvFloat(pick(v...), len(v) > 0)
		})}
	}
	proxy := func(name string, get func(*result.Complexity) int) csvColumn {
		return csvColumn{name, csvText(func(l csvRow) string {
			if l.row.engine.Complexity == nil {
				return ""
			}
			return strconv.Itoa(get(l.row.engine.Complexity))
		})}
	}
	return []csvColumn{
		medianOf("recovery_first_read_median_ns", func(r *row) []float64 { return r.recovery.firstRead }),
		edge("recovery_first_read_lowest_ns", lowest), edge("recovery_first_read_highest_ns", highest),
		{"recovery_first_read_interval_low_ns", csvText(func(l csvRow) string {
			lo, _, ok := stats.MedianInterval(l.row.recovery.firstRead)
			return csvFloat(lo, ok)
		})},
		{"recovery_first_read_interval_high_ns", csvText(func(l csvRow) string {
			_, hi, ok := stats.MedianInterval(l.row.recovery.firstRead)
			return csvFloat(hi, ok)
		})},
		medianOf("recovery_first_write_median_ns", func(r *row) []float64 { return r.recovery.firstWrite }),
		medianOf("recovery_open_median_ns", func(r *row) []float64 { return r.recovery.open }),
		{"recovery_repetitions", csvText(func(l csvRow) string { return strconv.Itoa(len(l.row.recovery.firstRead)) })},
		{"recovery_leases", csvText(func(l csvRow) string {
			return csvFloat(float64(l.row.recovery.leases), l.row.recovery.leases > 0)
		})},
		{"recovery_cache", csvText(func(l csvRow) string { return l.row.recovery.cache })},
		{"recovery_lost", csvText(func(l csvRow) string {
			return csvFloat(float64(l.row.recovery.lost), len(l.row.recovery.firstRead) > 0)
		})},
		{"recovery_reason", csvText(func(l csvRow) string { return l.row.recovery.reason })},
		proxy("complexity_lines", func(c *result.Complexity) int { return c.Lines }),
		proxy("complexity_dependencies", func(c *result.Complexity) int { return c.Dependencies }),
		proxy("complexity_options", func(c *result.Complexity) int { return c.Tunables }),
		proxy("complexity_goroutines", func(c *result.Complexity) int { return c.Goroutines }),
		{"cgo", csvText(func(l csvRow) string { return strconv.FormatBool(l.row.engine.Cgo) })},
		medianOf("memory_resident_minus_harness_bytes", func(r *row) []float64 { return r.use.resident }),
		medianOf("memory_per_million_leases_bytes", func(r *row) []float64 { return r.use.perMillion }),
		medianOf("memory_go_heap_bytes", func(r *row) []float64 { return r.use.goHeap }),
		medianOf("memory_go_other_bytes", func(r *row) []float64 { return r.use.goOther }),
		medianOf("memory_anonymous_bytes", func(r *row) []float64 { return r.use.anonymous }),
		medianOf("memory_mapped_file_bytes", func(r *row) []float64 { return r.use.mapped }),
		medianOf("memory_page_cache_bytes", func(r *row) []float64 { return r.use.pageCache }),
		medianOf("disk_bytes", func(r *row) []float64 { return r.use.disk }),
		{"write_amplification_ratio", csvText(func(l csvRow) string { return csvFloat(l.row.use.writeAmplification()) })},
		{"space_amplification_ratio", csvText(func(l csvRow) string { return csvFloat(l.row.use.spaceAmplification()) })},
		medianOf("cpu_per_op_ns", func(r *row) []float64 { return r.use.cpuPerOp }),
		medianOf("whole_device_writes_per_op", func(r *row) []float64 { return r.use.deviceWrites }),
		medianOf("whole_device_bytes_per_op", func(r *row) []float64 { return r.use.deviceBytes }),
	}
}
