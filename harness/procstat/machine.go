package procstat

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// Machine is what all processes of the machine together have met since it came
// up. The figures of a phase are the difference of two.
type Machine struct {
	When    time.Time
	CPUs    int   // processors whose time is counted: all that are online
	BusyNs  int64 // processor time used by anyone, summed over the processors
	StealNs int64 // processor time that the hypervisor gave to others
	// ThrottledNs is for how long a limit of the control group has kept tasks from
	// running, summed over processors; Limited says that it is known.
	ThrottledNs int64
	Limited     bool
	// Stalled is, by resource (cpu, io, memory), the time in ns in which at least
	// one task waited for it (pressure stall information, "some"). A kernel
	// without it has none.
	Stalled map[string]int64
}

// userHz is the unit of /proc/stat, the same on every Linux that Go runs on.
const userHz = 100

// pressures are the resources whose stalls the kernel accounts.
var pressures = []string{"cpu", "io", "memory"}

// ReadMachine reads the counters of the machine.
func ReadMachine() (Machine, error) {
	m := Machine{When: time.Now(), Stalled: map[string]int64{}}
	raw, err := os.ReadFile("/proc/stat")
	if err != nil {
		return m, fmt.Errorf("procstat: %w", err)
	}
	m.CPUs = max(1, strings.Count(string(raw), "\ncpu"))
	if m.BusyNs, m.StealNs, err = parseStat(string(raw)); err != nil {
		return m, fmt.Errorf("procstat: /proc/stat: %w", err)
	}
	m.ThrottledNs, m.Limited = throttledNs("/proc", cgroupRoot)
	for _, name := range pressures {
		raw, err := os.ReadFile("/proc/pressure/" + name)
		if err != nil {
			continue // not in this kernel, or not for this user
		}
		if m.Stalled[name], err = parsePressure(string(raw)); err != nil {
			return m, fmt.Errorf("procstat: /proc/pressure/%s: %w", name, err)
		}
	}
	return m, nil
}

// parseStat reads the first line of /proc/stat: user, nice, system, idle, iowait,
// irq, softirq, steal in units of 1/userHz s (proc_stat(5)). Guests are part of user.
func parseStat(text string) (busyNs, stealNs int64, err error) {
	line, _, _ := strings.Cut(text, "\n")
	fields := strings.Fields(line)
	if len(fields) < 9 || fields[0] != "cpu" {
		return 0, 0, fmt.Errorf("first line is %q, want cpu and 8 numbers", line)
	}
	var n [8]int64
	for i := range n {
		if n[i], err = strconv.ParseInt(fields[i+1], 10, 64); err != nil {
			return 0, 0, fmt.Errorf("field %d: %w", i+1, err)
		}
	}
	const unit = int64(time.Second) / userHz
	return (n[0] + n[1] + n[2] + n[5] + n[6]) * unit, n[7] * unit, nil
}

// parsePressure reads total= of the line "some", in microseconds.
func parsePressure(text string) (ns int64, err error) {
	for line := range strings.Lines(text) {
		if rest, ok := strings.CutPrefix(line, "some "); ok {
			if _, total, ok := strings.Cut(rest, "total="); ok {
				us, err := strconv.ParseInt(strings.TrimSpace(total), 10, 64)
				return us * 1000, err
			}
		}
	}
	return 0, fmt.Errorf("no line some with a total in %q", text)
}
