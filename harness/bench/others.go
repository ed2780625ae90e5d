package bench

import (
	"fmt"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// doubtfulShare is the share of the machine that others may use in the median
// slice before the figures are called doubtful.
const doubtfulShare = 0.05

// userHz is the unit of /proc/stat (USER_HZ, 100 on every Linux architecture
// that Go runs on).
const userHz = 100

// others measures how much of the machine was used by anybody else: other
// processes and, as stolen time, the host. The zero value is ready.
type others struct {
	shares []float64 // one a slice

	begin time.Time
	busy  time.Duration
	own   time.Duration
}

// start begins a slice.
func (o *others) start() {
	o.begin, o.own = time.Now(), familyTime()
	o.busy, _ = machineTime()
}

// stop ends it. Where the kernel does not tell, nothing is noted.
func (o *others) stop() {
	busy, err := machineTime()
	if err != nil {
		return
	}
	foreign := busy - o.busy - (familyTime() - o.own)
	capacity := time.Since(o.begin) * time.Duration(runtime.NumCPU())
	o.shares = append(o.shares, max(0, float64(foreign)/float64(capacity)))
}

// doubtful reports whether others used too much for the figures to be trusted.
func (o *others) doubtful() bool { return len(o.shares) > 0 && median(o.shares) > doubtfulShare }

// verdict says what others used, and whether that is too much.
func (o *others) verdict() string {
	if len(o.shares) == 0 {
		return "it is not known what others used of the machine"
	}
	middle := median(o.shares)
	text := fmt.Sprintf("others used %.0f%% of the machine's processors in the median slice, at most %.0f%%",
		100*middle, 100*slices.Max(o.shares))
	if o.doubtful() {
		text = "DOUBTFUL: " + text + "; run again on a quiet machine"
	}
	return text
}

// familyTime is what this process has used and the children that it has waited for.
func familyTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_CHILDREN, &u); err != nil {
		return processorTime() // cannot fail with these arguments
	}
	return processorTime() + time.Duration(u.Utime.Nano()+u.Stime.Nano())
}

// machineTime is what all processors together have worked, stolen time included.
func machineTime() (time.Duration, error) {
	text, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0, err
	}
	return parseMachineTime(string(text))
}

// parseMachineTime reads the first line of /proc/stat: cpu, then user, nice,
// system, idle, iowait, irq, softirq and steal.
func parseMachineTime(text string) (time.Duration, error) {
	line, _, _ := strings.Cut(text, "\n")
	fields := strings.Fields(line)
	if len(fields) < 9 || fields[0] != "cpu" {
		return 0, fmt.Errorf("/proc/stat begins with %q", line)
	}
	ticks := 0
	for _, i := range []int{1, 2, 3, 6, 7, 8} {
		n, err := strconv.Atoi(fields[i])
		if err != nil {
			return 0, fmt.Errorf("/proc/stat: %w", err)
		}
		ticks += n
	}
	return time.Duration(ticks) * (time.Second / userHz), nil
}
