package procstat

import (
	"bytes"
	"fmt"
	"os"
	"runtime"
	"runtime/metrics"
	"strconv"

	"golang.org/x/sys/unix"
)

// Usage is what the process has used since it began. The figures of a phase
// are the difference of two.
type Usage struct {
	UserNs, SystemNs int64   // processor time of all threads
	WrittenBytes     uint64  // handed to the kernel by write calls (wchar)
	DeviceWriteBytes uint64  // caused to be sent to the device (write_bytes)
	Mallocs          uint64  // Go heap objects allocated
	GCPauseNs        uint64  // sum of stop-the-world pauses
	GCCPUSeconds     float64 // processor time of the collector, as the runtime estimates it
	TotalCPUSeconds  float64 // GOMAXPROCS integrated over time
}

// Read reads the usage. It stops the world for some microseconds: call it
// outside of what is timed.
func Read() (Usage, error) {
	var u Usage
	var ru unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &ru); err != nil {
		return u, fmt.Errorf("procstat: getrusage: %w", err)
	}
	u.UserNs, u.SystemNs = ru.Utime.Nano(), ru.Stime.Nano()
	raw, err := os.ReadFile("/proc/self/io")
	if err != nil {
		return u, fmt.Errorf("procstat: %w", err)
	}
	fields := parseFields(raw)
	var ok1, ok2 bool
	u.WrittenBytes, ok1 = fields["wchar"]
	u.DeviceWriteBytes, ok2 = fields["write_bytes"]
	if !ok1 || !ok2 {
		return u, fmt.Errorf("procstat: /proc/self/io has no wchar or write_bytes")
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	u.Mallocs, u.GCPauseNs = m.Mallocs, m.PauseTotalNs
	samples := []metrics.Sample{{Name: "/cpu/classes/gc/total:cpu-seconds"}, {Name: "/cpu/classes/total:cpu-seconds"}}
	metrics.Read(samples)
	if samples[0].Value.Kind() == metrics.KindFloat64 && samples[1].Value.Kind() == metrics.KindFloat64 {
		u.GCCPUSeconds, u.TotalCPUSeconds = samples[0].Value.Float64(), samples[1].Value.Float64()
	}
	return u, nil
}

// GCCPUFraction is the collector's share of the processor time between two
// readings. The runtime brings its figures up to date at each collection; 0
// if there was none.
func GCCPUFraction(before, after Usage) float64 {
	if total := after.TotalCPUSeconds - before.TotalCPUSeconds; total > 0 {
		return (after.GCCPUSeconds - before.GCCPUSeconds) / total
	}
	return 0
}

// parseFields reads lines "name: number ..." of /proc files.
func parseFields(raw []byte) map[string]uint64 {
	fields := make(map[string]uint64)
	for line := range bytes.Lines(raw) {
		name, rest, ok := bytes.Cut(line, []byte(":"))
		if !ok {
			continue
		}
		words := bytes.Fields(rest)
		if len(words) == 0 {
			continue
		}
		if n, err := strconv.ParseUint(string(words[0]), 10, 64); err == nil {
			fields[string(name)] = n
		}
	}
	return fields
}
