package cell

import (
	"testing"

	"orbitbench/harness/patience"
)

func TestMachineIsPartOfACell(t *testing.T) {
	patience.Try(t, func(t *patience.T) {
		c := executeTest(t, testSpec(t, "fake", nil))
		wantOK(t, c)
		m := c.Resources.Machine
		if m == nil || m.OthersCPUShare < 0 || m.OthersCPUShare > 1.05 || m.StealShare < 0 || m.StealShare > 1.05 {
			t.Fatalf("machine %+v", m)
		}
		for name, share := range m.Pressure {
			if share < 0 || share > 1.05 {
				t.Errorf("pressure of %s is %v of the time", name, share)
			}
		}
	})
}
