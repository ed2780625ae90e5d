package stats

import (
	"cmp"
	"slices"
)

// Contest is who is best of several series in one figure of which less is better.
// Every series is held against the best one and against no other: that two are
// not told apart from a third says nothing of the two.
type Contest struct {
	order   []int         // the best first
	against []*Difference // by series, beside the best one; nil for that
}

// NewContest holds the series against the one with the lowest median among those
// with trials enough (among all where none has). noise is that of two of them.
// Nothing is decided before [Settle].
func NewContest(series []Series, noise func(a, b int) Floor, seed uint64) *Contest {
	c := &Contest{against: make([]*Difference, len(series))}
	medians := make([]float64, len(series))
	for i, s := range series {
		c.order = append(c.order, i)
		medians[i] = Median(s.Values())
	}
	short := func(i int) int {
		if series[i].lacks() != "" {
			return 1
		}
		return 0
	}
	slices.SortStableFunc(c.order, func(i, j int) int {
		return cmp.Or(cmp.Compare(short(i), short(j)), cmp.Compare(medians[i], medians[j]))
	})
	for _, i := range c.order[min(1, len(c.order)):] {
		best := c.order[0]
		c.against[i] = Differ(series[best], series[i], noise(best, i), seed)
	}
	return c
}

// Order are the series, the best first; those without trials enough come last.
func (c *Contest) Order() []int { return slices.Clone(c.order) }

// Against is how a series stands to the best one; nil for that one.
func (c *Contest) Against(i int) *Difference { return c.against[i] }

// Level are the best series and all that were not told apart from it.
func (c *Contest) Level() []int {
	return slices.DeleteFunc(c.Order(), func(i int) bool { return c.against[i] != nil && c.against[i].Outcome == Higher })
}

// Worse are the series that the rule calls worse than the best one.
func (c *Contest) Worse() []int {
	return slices.DeleteFunc(c.Order(), func(i int) bool { return c.against[i] == nil || c.against[i].Outcome != Higher })
}

// Decided reports whether any comparison had trials enough to decide something.
func (c *Contest) Decided() bool {
	return slices.ContainsFunc(c.against, func(d *Difference) bool { return d != nil && d.Outcome != Undecided })
}
