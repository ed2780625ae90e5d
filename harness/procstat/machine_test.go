package procstat

import (
	"testing"
	"time"
)

func TestMachineCounters(t *testing.T) {
	busy, steal, err := parseStat("cpu  10 20 30 4000 50 1 2 7 0 0\ncpu0 1 2 3 4 5 6 7 8 0 0\n")
	if err != nil || busy != 63*int64(10*time.Millisecond) || steal != 7*int64(10*time.Millisecond) {
		t.Errorf("busy %v, steal %v, %v", time.Duration(busy), time.Duration(steal), err)
	}
	ns, err := parsePressure("some avg10=1.00 avg60=0.50 avg300=0.10 total=1234\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=9\n")
	if err != nil || ns != 1_234_000 {
		t.Errorf("pressure %d, %v", ns, err)
	}
	for _, bad := range []string{"", "cpu 1 2 3\n", "intr 1 2 3 4 5 6 7 8\n", "cpu a 2 3 4 5 6 7 8\n"} {
		if _, _, err := parseStat(bad); err == nil {
			t.Errorf("%q is accepted", bad)
		}
	}
	for _, bad := range []string{"", "full avg10=0.00 total=9\n", "some avg10=0.00\n", "some total=x\n"} {
		if _, err := parsePressure(bad); err == nil {
			t.Errorf("pressure %q is accepted", bad)
		}
	}
	before, err := ReadMachine()
	if err != nil {
		t.Fatal(err)
	}
	after, err := ReadMachine()
	if err != nil || after.BusyNs < before.BusyNs || after.StealNs < before.StealNs {
		t.Errorf("%+v after %+v, %v", after, before, err)
	}
}
