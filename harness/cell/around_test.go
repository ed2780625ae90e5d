package cell

import (
	"strings"
	"testing"

	"orbitbench/harness/result"
)

func TestMachineIsPartOfACell(t *testing.T) {
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
}

func TestANoisyMachineIsADoubt(t *testing.T) {
	quiet := &result.Machine{OthersCPUShare: 0.05, StealShare: 0.001, Pressure: map[string]float64{"cpu": 0.9, "memory": 0.001}}
	if list := append(machineWarnings(quiet), machineWarnings(nil)...); len(list) > 0 {
		t.Errorf("a quiet machine gives %q", list)
	}
	loud := &result.Machine{OthersCPUShare: 0.4, StealShare: 0.1, Pressure: map[string]float64{"memory": 0.2}}
	list := machineWarnings(loud)
	for i, want := range []string{"noisy: other processes took 40%", "noisy: the hypervisor took 10.0%", "waited for memory 20.0%"} {
		if len(list) != 3 || !strings.Contains(list[i], want) {
			t.Errorf("warnings %q, want %q", list, want)
		}
	}
}
