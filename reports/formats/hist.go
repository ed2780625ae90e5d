package formats

import (
	"fmt"
	"io"

	"github.com/HdrHistogram/hdrhistogram-go"

	"orbitbench/harness/result"
)

// nsPerMs scales values to the milliseconds that HdrHistogram's tools expect.
const nsPerMs = 1e6

// log writes the histograms of every trial in HdrHistogram's log format: an
// interval a trial, from the beginning of its cell, tagged OP_OUTCOME. Values are nanoseconds.
func (r *row) log(out io.Writer) error {
	w := hdrhistogram.NewHistogramLogWriter(out)
	if err := w.OutputLogFormatVersion(); err != nil {
		return err
	}
	if err := w.OutputComment(fmt.Sprintf("[%s, workload %s, durability %s; nanoseconds, an interval a trial]", r.name(), r.workload, r.durability)); err != nil {
		return err
	}
	if len(r.cells) > 0 {
		if err := w.OutputStartTime(r.cells[0].Started.UnixMilli()); err != nil {
			return err
		}
	}
	if err := w.OutputLegend(); err != nil {
		return err
	}
	for _, c := range r.cells {
		for _, k := range r.ops() {
			l, ok := latency(c, k)
			if !ok {
				continue
			}
			h, err := decode(c, l)
			if err != nil {
				return err
			}
			h.SetTag(k.op + "_" + k.outcome)
			begin := c.Started.UnixMilli()
			for _, p := range c.Phases {
				if p.Name == "measure" {
					begin = p.Begin.UnixMilli()
				}
			}
			h.SetStartTimeMs(begin)
			h.SetEndTimeMs(begin + int64(c.Measure.Seconds*1000))
			if err := w.OutputIntervalHistogram(h); err != nil {
				return err
			}
		}
	}
	return nil
}

// percentiles writes the distribution of an operation over all trials in the
// text form that HdrHistogram's plotter reads, in milliseconds.
func (r *row) percentiles(out io.Writer, k opKey) error {
	var all *hdrhistogram.Histogram
	for _, c := range r.cells {
		l, ok := latency(c, k)
		if !ok {
			continue
		}
		h, err := decode(c, l)
		if err != nil {
			return err
		}
		if all == nil {
			all = h
		} else if dropped := all.Merge(h); dropped > 0 {
			return fmt.Errorf("cell %s: its histogram has another range than those before it", c.Key)
		}
	}
	if all == nil {
		return nil
	}
	_, err := all.PercentilesPrint(out, 5, nsPerMs)
	return err
}

func decode(c *result.Cell, l result.Latency) (*hdrhistogram.Histogram, error) {
	h, err := hdrhistogram.Decode([]byte(l.Histogram))
	if err != nil {
		return nil, fmt.Errorf("cell %s: damaged histogram: %w", c.Key, err)
	}
	return h, nil
}
