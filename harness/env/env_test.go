package env

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// machine lays out a small fake of the kernel's files.
func machine(t *testing.T, files map[string]string, links map[string]string) source {
	t.Helper()
	root := t.TempDir()
	for name, content := range files {
		path := filepath.Join(root, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, []byte(content), 0o644))
	}
	for name, target := range links {
		path := filepath.Join(root, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.Symlink(target, path))
	}
	return source(root)
}

const disk = "sys/devices/pci0/block/sda/"

func TestCaptureReadsTheMachine(t *testing.T) {
	s := machine(t, map[string]string{
		"etc/os-release":   "NAME=x\nPRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\n",
		"proc/cpuinfo":     "processor\t: 0\nmodel name\t: Fast CPU\nflags\t\t: fpu hypervisor sse\n",
		"proc/meminfo":     "MemTotal:       1024 kB\nMemFree: 1 kB\n",
		"proc/loadavg":     "0.50 0.25 0.10 1/100 1234\n",
		"proc/self/cgroup": "0::/a/b\n",
		"proc/self/mountinfo": "1 0 8:1 / / rw,noatime shared:1 - ext4 /dev/sda1 rw,discard\n" +
			"2 1 0:5 / /sys/fs/cgroup rw - cgroup2 cgroup rw\n",
		"sys/fs/cgroup/a/cpu.max":                                         "150000 100000\n",
		"sys/fs/cgroup/a/b/cpu.max":                                       "max 100000\n",
		"sys/fs/cgroup/a/memory.max":                                      "max\n",
		"sys/fs/cgroup/a/b/memory.max":                                    "1073741824\n",
		"sys/class/dmi/id/sys_vendor":                                     "QEMU\n",
		"sys/devices/system/clocksource/clocksource0/current_clocksource": "kvm-clock\n",
		"sys/devices/system/cpu/cpu0/cpufreq/scaling_governor":            "performance\n",
		disk + "device/model":                                             "Disk 9000   \n",
		disk + "queue/write_cache":                                        "write back\n",
		disk + "queue/rotational":                                         "0\n",
		disk + "queue/scheduler":                                          "none [mq-deadline] kyber\n",
		disk + "sda1/partition":                                           "1\n",
	}, map[string]string{"sys/dev/block/8:1": "../../devices/pci0/block/sda/sda1"})

	e := capture(string(s), "/", func(name string) (string, bool) { return "50", name == "GOGC" })
	require.Equal(t, "Debian GNU/Linux 12 (bookworm)", e.OS)
	require.Equal(t, "Fast CPU", e.CPUModel)
	require.EqualValues(t, 1<<20, e.MemoryBytes)
	require.Equal(t, [3]float64{0.5, 0.25, 0.1}, e.LoadAverage)
	require.Equal(t, "1.5 CPUs", e.CgroupCPU, "the limit of the group above holds too")
	require.Equal(t, "1073741824 bytes", e.CgroupMemory)
	require.Equal(t, "virtual machine (QEMU)", e.Virtualization)
	require.Equal(t, "kvm-clock", e.ClockSource)
	require.Equal(t, "performance", e.Governor)
	require.Equal(t, "ext4", e.FileSystem)
	require.Equal(t, "rw,noatime,discard", e.MountOptions)
	require.Equal(t, "/dev/sda1", e.MountSource)
	require.Equal(t, "sda1", e.Device)
	require.Equal(t, "Disk 9000", e.DeviceModel)
	require.Equal(t, "write back", e.WriteCache)
	require.Equal(t, "mq-deadline", e.Scheduler)
	require.False(t, *e.Rotational)
	require.Equal(t, map[string]string{"GOGC": "50"}, e.Variables)
}

func TestCaptureInventsNothing(t *testing.T) {
	e := capture(string(machine(t, nil, nil)), "/", func(string) (string, bool) { return "", false })
	require.Empty(t, e.CPUModel)
	require.Empty(t, e.Virtualization)
	require.Empty(t, e.FileSystem)
	require.Empty(t, e.WriteCache)
	require.Nil(t, e.Rotational)
	require.Nil(t, e.Variables)
	require.Zero(t, e.MemoryBytes)
}

func TestCgroupV1(t *testing.T) {
	s := machine(t, map[string]string{
		"proc/self/cgroup": "4:memory:/box\n1:cpu,cpuacct:/box\n",
		"proc/self/mountinfo": "1 0 0:1 / /cg/cpu rw - cgroup cgroup rw,cpu,cpuacct\n" +
			"2 0 0:2 /box /cg/memory rw - cgroup cgroup rw,memory\n",
		"cg/cpu/box/cpu.cfs_quota_us":     "50000\n",
		"cg/cpu/box/cpu.cfs_period_us":    "100000\n",
		"cg/cpu/cpu.cfs_quota_us":         "-1\n",
		"cg/cpu/cpu.cfs_period_us":        "100000\n",
		"cg/memory/memory.limit_in_bytes": "9223372036854771712\n",
	}, nil)
	cpu, memory := s.cgroupLimits(s.mounts())
	require.Equal(t, "0.5 CPUs", cpu)
	require.Empty(t, memory, "the largest number means no limit")
}

func TestMountOfTakesTheDeepestAndLatest(t *testing.T) {
	mounts := []mount{{point: "/", fsType: "a"}, {point: "/data", fsType: "b"}, {point: "/data", fsType: "c"}, {point: "/database", fsType: "d"}}
	for path, want := range map[string]string{"/": "a", "/dat": "a", "/data": "c", "/data/x": "c", "/database/x": "d"} {
		m, ok := mountOf(mounts, path)
		require.True(t, ok)
		require.Equal(t, want, m.fsType, path)
	}
	m, ok := parseMount(`1 0 8:1 / /with\040blank rw - ext4 /dev/x rw`)
	require.True(t, ok)
	require.Equal(t, "/with blank", m.point)
	_, ok = parseMount("1 0 8:1")
	require.False(t, ok)
}

func TestCaptureOfThisMachine(t *testing.T) {
	e := Capture(filepath.Join(t.TempDir(), "not", "there"))
	require.NotEmpty(t, e.Kernel)
	require.NotEmpty(t, e.FileSystem)
	require.Positive(t, e.CPUs)
	require.Positive(t, e.FreeDiskBytes)
	_, err := FreeBytes("/does/not/exist")
	require.ErrorContains(t, err, "/does/not/exist")
}
