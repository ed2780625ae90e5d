package runner

import (
	"fmt"
	"reflect"

	"orbitbench/harness/result"
	"orbitbench/harness/validity"
)

// judgeValidity judges a cell by what is known when it ends, and keeps it for
// the floor behind it.
func (r *run) judgeValidity(c *result.Cell, floorNs int64) {
	c.Validity = validity.Judge(c, validity.Floors{BeforeNs: floorNs})
	r.last, r.lastFloorNs = c, floorNs
}

// settleLast judges the last cell anew, with the floor behind it, and writes it
// again if that changes anything. A run that is killed before leaves a cell that
// was judged without.
func (r *run) settleLast(floorNs int64) error {
	c := r.last
	r.last = nil
	if c == nil {
		return nil
	}
	v := validity.Judge(c, validity.Floors{BeforeNs: r.lastFloorNs, AfterNs: floorNs})
	if reflect.DeepEqual(v, c.Validity) {
		return nil
	}
	c.Validity = v
	if err := result.WriteCell(r.Out, c); err != nil {
		return fmt.Errorf("result of %s: %w", c.Key, err)
	}
	return nil
}
