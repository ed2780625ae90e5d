// Package env captures the machine that a result was taken on.
//
// [Capture] reads what the kernel tells: procfs, sysfs, the mount table and the
// control groups. A thing that cannot be read is left empty in the result; it
// is never guessed. Nothing is written and no command is run.
package env

import (
	"bufio"
	"bytes"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"orbitbench/harness/result"
)

// Capture describes this machine and the file system that holds dataDir, or
// its nearest parent that exists.
func Capture(dataDir string) result.Environment {
	e := capture("/", dataDir, os.LookupEnv)
	if name, err := os.Hostname(); err == nil {
		e.Hostname = name
	}
	var u unix.Utsname
	if unix.Uname(&u) == nil {
		e.Kernel = unix.ByteSliceToString(u.Release[:])
	}
	e.CPUs = runtime.NumCPU()
	e.FreeDiskBytes, _ = FreeBytes(Existing(dataDir)) // unknown stays 0
	return e
}

// FreeBytes is what an unprivileged process can still write to the file system
// that holds path, in bytes.
func FreeBytes(path string) (uint64, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(path, &st); err != nil {
		return 0, &os.PathError{Op: "statfs", Path: path, Err: err}
	}
	return st.Bavail * uint64(st.Bsize), nil
}

// CaptureBelow is what Capture reads from files, where procfs, sysfs and etc lie
// below root; for tests with a machine that is laid out in files.
func CaptureBelow(root, dataDir string) result.Environment {
	return capture(root, dataDir, func(string) (string, bool) { return "", false })
}

// capture reads everything that lies in files, below root.
func capture(root, dataDir string, lookup func(string) (string, bool)) result.Environment {
	s := source(root)
	e := result.Environment{
		OS:             s.osName(),
		Arch:           runtime.GOARCH,
		CPUModel:       s.field("proc/cpuinfo", ":", "model name", "Model", "cpu model"),
		Governor:       s.line("sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
		MemoryBytes:    s.memory(),
		Virtualization: s.virtualization(),
		LoadAverage:    s.loadAverage(),
		ClockSource:    s.line("sys/devices/system/clocksource/clocksource0/current_clocksource"),
		DataDir:        dataDir,
	}
	mounts := s.mounts()
	e.CgroupCPU, e.CgroupMemory = s.cgroupLimits(mounts)
	if m, ok := mountOf(mounts, Existing(dataDir)); ok {
		e.FileSystem, e.MountOptions, e.MountSource = m.fsType, m.allOptions(), m.source
		s.device(m, &e)
	}
	for _, name := range []string{"GOMAXPROCS", "GOGC", "GOMEMLIMIT", "GODEBUG"} {
		if v, ok := lookup(name); ok {
			if e.Variables == nil {
				e.Variables = map[string]string{}
			}
			e.Variables[name] = v
		}
	}
	return e
}

// Existing returns the nearest parent of path that exists, without symbolic links.
func Existing(path string) string {
	path, err := filepath.Abs(path)
	if err != nil {
		return path
	}
	for {
		if real, err := filepath.EvalSymlinks(path); err == nil {
			return real
		}
		if path == filepath.Dir(path) {
			return path
		}
		path = filepath.Dir(path)
	}
}

// source is the directory below which proc, sys and etc lie.
type source string

func (s source) path(name string) string { return filepath.Join(string(s), name) }

func (s source) read(name string) []byte {
	raw, err := os.ReadFile(s.path(name))
	if err != nil {
		return nil // a missing fact stays empty
	}
	return raw
}

func (s source) line(name string) string {
	first, _, _ := bytes.Cut(s.read(name), []byte("\n"))
	return strings.TrimSpace(string(first))
}

// field returns the value of the first of the keys that the file has in its
// lines of key, separator and value.
func (s source) field(name, separator string, keys ...string) string {
	raw := s.read(name)
	for _, key := range keys {
		for scan := bufio.NewScanner(bytes.NewReader(raw)); scan.Scan(); {
			if k, v, ok := strings.Cut(scan.Text(), separator); ok && strings.TrimSpace(k) == key {
				return strings.TrimSpace(v)
			}
		}
	}
	return ""
}

func (s source) osName() string {
	if name := strings.Trim(s.field("etc/os-release", "=", "PRETTY_NAME"), `"`); name != "" {
		return name
	}
	return runtime.GOOS
}

func (s source) memory() uint64 {
	kib, err := strconv.ParseUint(strings.TrimSuffix(s.field("proc/meminfo", ":", "MemTotal"), " kB"), 10, 64)
	if err != nil {
		return 0
	}
	return kib << 10
}

func (s source) loadAverage() (load [3]float64) {
	fields := strings.Fields(s.line("proc/loadavg"))
	for i := range min(len(load), len(fields)) {
		v, err := strconv.ParseFloat(fields[i], 64)
		if err != nil {
			return [3]float64{}
		}
		load[i] = v
	}
	return load
}

// virtualization says what the firmware and the CPU tell about a hypervisor,
// and whether this is a container; "" where nothing says so.
func (s source) virtualization() string {
	var parts []string
	vendor := strings.TrimSpace(s.line("sys/class/dmi/id/sys_vendor") + " " + s.line("sys/class/dmi/id/product_name"))
	kind := s.line("sys/hypervisor/type")
	flagged := false
	for _, flag := range strings.Fields(s.field("proc/cpuinfo", ":", "flags")) {
		flagged = flagged || flag == "hypervisor"
	}
	switch {
	case kind != "":
		parts = append(parts, kind)
	case flagged && vendor != "":
		parts = append(parts, "virtual machine ("+vendor+")")
	case flagged:
		parts = append(parts, "virtual machine")
	}
	if container := s.line("run/systemd/container"); container != "" {
		parts = append(parts, "container ("+container+")")
	} else if _, err := os.Stat(s.path(".dockerenv")); err == nil {
		parts = append(parts, "container (docker)")
	}
	return strings.Join(parts, ", ")
}
