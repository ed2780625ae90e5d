package procstat

import (
	"bytes"
	"fmt"
	"os"
	"runtime"
	"strings"

	"orbitbench/harness/result"
)

const kib = 1024

// Memory splits the resident set. Mapped files are those under dir; the
// program's own text is resident, and in none of the parts. harnessAnonymous
// is anonymous memory outside the Go runtime that is the harness' own, in
// bytes: it is left out of AnonymousBytes.
func Memory(dir string, harnessAnonymous uint64) (result.Memory, error) {
	var m result.Memory
	raw, err := os.ReadFile("/proc/self/smaps_rollup")
	if err != nil {
		return m, fmt.Errorf("procstat: %w", err)
	}
	fields := parseFields(raw)
	rss, ok1 := fields["Rss"]
	anonymous, ok2 := fields["Anonymous"]
	if !ok1 || !ok2 {
		return m, fmt.Errorf("procstat: /proc/self/smaps_rollup has no Rss or Anonymous")
	}
	var g runtime.MemStats
	runtime.ReadMemStats(&g)
	m.ResidentBytes = rss * kib
	m.GoHeapBytes = g.HeapAlloc
	held := g.Sys - g.HeapReleased
	m.GoOtherBytes = held - min(held, g.HeapAlloc)
	m.AnonymousBytes = anonymous * kib
	m.AnonymousBytes -= min(m.AnonymousBytes, held+harnessAnonymous)
	if m.MappedFileBytes, err = mappedFiles(dir); err != nil {
		return m, err
	}
	if cached, err := PageCache(dir); err == nil {
		m.PageCacheBytes = &cached
	}
	return m, nil
}

// Resident is the resident set in bytes.
func Resident() (uint64, error) {
	raw, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0, fmt.Errorf("procstat: %w", err)
	}
	rss, ok := parseFields(raw)["VmRSS"]
	if !ok {
		return 0, fmt.Errorf("procstat: /proc/self/status has no VmRSS")
	}
	return rss * kib, nil
}

// Anonymous is the resident memory that belongs to no file, in bytes: heaps,
// stacks, anonymous mappings, and shared memory without a file.
func Anonymous() (uint64, error) {
	raw, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0, fmt.Errorf("procstat: %w", err)
	}
	fields := parseFields(raw)
	anonymous, ok1 := fields["RssAnon"]
	shared, ok2 := fields["RssShmem"]
	if !ok1 || !ok2 {
		return 0, fmt.Errorf("procstat: /proc/self/status has no RssAnon or RssShmem")
	}
	return (anonymous + shared) * kib, nil
}

// mappedFiles sums the resident file pages of mappings of files under dir.
// Pages of a private mapping that were written are anonymous, and not counted.
func mappedFiles(dir string) (uint64, error) {
	raw, err := os.ReadFile("/proc/self/smaps")
	if err != nil {
		return 0, fmt.Errorf("procstat: %w", err)
	}
	return sumMapped(raw, dir), nil
}

// sumMapped reads the text of /proc/PID/smaps: for each mapping a line that
// begins with its address range and ends with its path, then lines "Name: n kB".
func sumMapped(smaps []byte, dir string) (total uint64) {
	prefix := strings.TrimSuffix(dir, "/") + "/"
	within := false
	for line := range bytes.Lines(smaps) {
		name, rest, _ := bytes.Cut(line, []byte(" "))
		if !bytes.HasSuffix(name, []byte(":")) { // an address range
			_, path, ok := bytes.Cut(rest, []byte("/"))
			within = ok && strings.HasPrefix("/"+string(path), prefix)
			continue
		}
		if !within {
			continue
		}
		switch n := parseFields(line); string(name) {
		case "Rss:":
			total += n["Rss"] * kib
		case "Anonymous:":
			total -= min(total, n["Anonymous"]*kib)
		}
	}
	return total
}

// AvailableMemory is what the kernel thinks can be had without swapping, in bytes.
func AvailableMemory() (uint64, error) {
	raw, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return 0, fmt.Errorf("procstat: %w", err)
	}
	available, ok := parseFields(raw)["MemAvailable"]
	if !ok {
		return 0, fmt.Errorf("procstat: /proc/meminfo has no MemAvailable")
	}
	return available * kib, nil
}
