package env

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"orbitbench/harness/result"
)

// mount is one line of /proc/self/mountinfo (proc(5)).
type mount struct {
	device       string // major:minor
	root         string // of the file system that is mounted here
	point        string
	options      string // per mount
	fsType       string
	source       string
	superOptions string // per file system
}

func (s source) mounts() []mount {
	var all []mount
	for scan := bufio.NewScanner(bytes.NewReader(s.read("proc/self/mountinfo"))); scan.Scan(); {
		if m, ok := parseMount(scan.Text()); ok {
			all = append(all, m)
		}
	}
	return all
}

func parseMount(line string) (mount, bool) {
	left, right, ok := strings.Cut(line, " - ")
	l, r := strings.Fields(left), strings.Fields(right)
	if !ok || len(l) < 6 || len(r) < 2 {
		return mount{}, false
	}
	m := mount{device: l[2], root: unescape(l[3]), point: unescape(l[4]), options: l[5], fsType: r[0], source: unescape(r[1])}
	if len(r) > 2 {
		m.superOptions = r[2]
	}
	return m, true
}

// unescape undoes the octal escapes that mountinfo uses for blanks and backslashes.
var unescape = strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`).Replace

// mountOf returns the mount that holds path: the longest mount point above it,
// and of two the later one, which lies on top.
func mountOf(mounts []mount, path string) (best mount, ok bool) {
	for _, m := range mounts {
		if within(path, m.point) && len(m.point) >= len(best.point) {
			best, ok = m, true
		}
	}
	return best, ok
}

func within(path, dir string) bool {
	return dir == "/" || path == dir || strings.HasPrefix(path, dir+"/")
}

// allOptions joins the options of the mount and of the file system, each once.
func (m mount) allOptions() string {
	seen := map[string]bool{}
	var all []string
	for _, o := range strings.Split(m.options+","+m.superOptions, ",") {
		if o != "" && !seen[o] {
			seen[o] = true
			all = append(all, o)
		}
	}
	return strings.Join(all, ",")
}

// device fills in what sysfs tells about the block device under m.
func (s source) device(m mount, e *result.Environment) {
	dir := s.blockDir(m)
	if dir == "" {
		return
	}
	e.Device = filepath.Base(dir)
	if _, err := os.Stat(filepath.Join(dir, "partition")); err == nil {
		dir = filepath.Dir(dir) // the queue belongs to the whole disk
	}
	rel, err := filepath.Rel(string(s), dir)
	if err != nil {
		return
	}
	e.DeviceModel = strings.TrimSpace(s.line(filepath.Join(rel, "device/vendor")) + " " + s.line(filepath.Join(rel, "device/model")))
	if strings.HasPrefix(e.DeviceModel, "0x") {
		e.DeviceModel = "" // a PCI number is no model
	}
	e.WriteCache = s.line(filepath.Join(rel, "queue/write_cache"))
	switch s.line(filepath.Join(rel, "queue/rotational")) {
	case "0":
		e.Rotational = new(bool)
	case "1":
		yes := true
		e.Rotational = &yes
	}
	e.Scheduler = chosen(s.line(filepath.Join(rel, "queue/scheduler")))
}

// blockDir is the sysfs directory of the block device under m. File systems
// without a device number of their own (btrfs, overlay) are found by their
// source, where that is a device.
func (s source) blockDir(m mount) string {
	candidates := []string{"sys/dev/block/" + m.device}
	if name, ok := strings.CutPrefix(m.source, "/dev/"); ok {
		candidates = append(candidates, "sys/class/block/"+filepath.Base(name))
	}
	for _, c := range candidates {
		if real, err := filepath.EvalSymlinks(s.path(c)); err == nil {
			return real
		}
	}
	return ""
}

// chosen is the entry in brackets of "none [mq-deadline]", or the whole line.
func chosen(line string) string {
	if _, rest, ok := strings.Cut(line, "["); ok {
		name, _, _ := strings.Cut(rest, "]")
		return name
	}
	return line
}

// cgroupLimits returns the CPU and memory limits that this process runs under,
// the tightest of its own group and those above it; "" means no limit is set.
func (s source) cgroupLimits(mounts []mount) (cpu, memory string) {
	for scan := bufio.NewScanner(bytes.NewReader(s.read("proc/self/cgroup"))); scan.Scan(); {
		parts := strings.SplitN(scan.Text(), ":", 3)
		if len(parts) != 3 {
			continue
		}
		controllers, group := parts[1], parts[2]
		for _, m := range mounts {
			switch {
			case controllers == "" && m.fsType == "cgroup2":
				cpu = first(cpu, s.tightest(m, group, s.cpuV2))
				memory = first(memory, s.tightest(m, group, s.memoryV2))
			case m.fsType == "cgroup" && hasController(controllers, "cpu") && hasController(m.superOptions, "cpu"):
				cpu = first(cpu, s.tightest(m, group, s.cpuV1))
			case m.fsType == "cgroup" && hasController(controllers, "memory") && hasController(m.superOptions, "memory"):
				memory = first(memory, s.tightest(m, group, s.memoryV1))
			}
		}
	}
	return cpu, memory
}

func first(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

func hasController(list, name string) bool {
	for _, c := range strings.Split(list, ",") {
		if c == name {
			return true
		}
	}
	return false
}

// tightest walks from the group up to the root of its hierarchy and returns
// the text of the smallest limit.
func (s source) tightest(m mount, group string, limit func(dir string) (value float64, text string)) string {
	if rel, err := filepath.Rel(m.root, group); err == nil && !strings.HasPrefix(rel, "..") {
		group = rel // a container sees its own group as the root of the mount
	}
	best, text := 0.0, ""
	for dir := filepath.Join("/", group); ; dir = filepath.Dir(dir) {
		if v, t := limit(filepath.Join(m.point, dir)); t != "" && (text == "" || v < best) {
			best, text = v, t
		}
		if dir == "/" {
			return text
		}
	}
}

func (s source) cpuV2(dir string) (float64, string) {
	var quota, period float64
	if _, err := fmt.Sscan(s.line(filepath.Join(dir, "cpu.max")), &quota, &period); err != nil || period <= 0 {
		return 0, "" // "max" is no number: no limit
	}
	return quota / period, fmt.Sprintf("%.4g CPUs", quota/period)
}

func (s source) cpuV1(dir string) (float64, string) {
	var quota, period float64
	_, err := fmt.Sscan(s.line(filepath.Join(dir, "cpu.cfs_quota_us"))+" "+s.line(filepath.Join(dir, "cpu.cfs_period_us")), &quota, &period)
	if err != nil || quota <= 0 || period <= 0 {
		return 0, ""
	}
	return quota / period, fmt.Sprintf("%.4g CPUs", quota/period)
}

func (s source) memoryV2(dir string) (float64, string) {
	return s.memoryLimit(filepath.Join(dir, "memory.max"))
}

func (s source) memoryV1(dir string) (float64, string) {
	return s.memoryLimit(filepath.Join(dir, "memory.limit_in_bytes"))
}

func (s source) memoryLimit(name string) (float64, string) {
	var limit uint64
	// Version 1 shows "no limit" as the largest multiple of the page size.
	if _, err := fmt.Sscan(s.line(name), &limit); err != nil || limit >= 1<<62 {
		return 0, ""
	}
	return float64(limit), fmt.Sprintf("%d bytes", limit)
}
