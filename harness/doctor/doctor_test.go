package doctor

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"orbitbench/harness/env"
	"orbitbench/harness/result"
)

// sound are the facts of a machine with which nothing is wrong.
func sound() Facts {
	return Facts{
		Options: Options{DataDir: "/srv/data", Durable: true, NeedBytes: 1 << 30, ReserveBytes: 1 << 29},
		Environment: result.Environment{
			CPUs: 4, Governor: "performance", MemoryBytes: 16 << 30, LoadAverage: [3]float64{0.1, 0.1, 0.1}, ClockSource: "tsc",
			DataDir: "/srv/data", FileSystem: "ext4", MountOptions: "rw,relatime", MountSource: "/dev/sda1", Device: "sda1",
			WriteCache: "write back", FreeDiskBytes: 100 << 30,
		},
		TempDir:        "/tmp",
		Floor:          result.Floor{Latency: result.Latency{P50Ns: 90_000, P99Ns: 200_000}},
		AvailableBytes: 8 << 30, PtraceScope: 1, DropCaches: true, Fuse: true, Loop: true,
	}
}

func find(t *testing.T, findings []result.Finding, check string) result.Finding {
	t.Helper()
	for _, f := range findings {
		if f.Check == check {
			return f
		}
	}
	t.Fatalf("no finding %s", check)
	return result.Finding{}
}

func TestASoundMachinePasses(t *testing.T) {
	for _, f := range Examine(sound()) {
		if f.Check == "crash_tests" {
			require.Equal(t, result.FindingInfo, f.Status)
			continue
		}
		require.Equal(t, result.FindingPass, f.Status, Line(f))
		require.Empty(t, f.Remedy)
	}
	require.False(t, Failed(Examine(sound())))
}

// Each row breaks one thing, and exactly one finding changes.
func TestEachRuleTriggers(t *testing.T) {
	yes := true
	const passes, infos, warns, fails = result.FindingPass, result.FindingInfo, result.FindingWarn, result.FindingFail
	e := func(f *Facts) *result.Environment { return &f.Environment }
	covered := map[string]bool{}
	for name, c := range map[string]struct {
		check, status, says string
		spoil               func(f *Facts)
	}{
		"tmpfs":                {"file_system", fails, "reaches a device", func(f *Facts) { e(f).FileSystem = "tmpfs" }},
		"tmpfs, class process": {"file_system", passes, "in memory", func(f *Facts) { e(f).FileSystem, f.Durable = "tmpfs", false }},
		"overlay":              {"file_system", fails, "container", func(f *Facts) { e(f).FileSystem = "overlay" }},
		"overlay, process":     {"file_system", warns, "container", func(f *Facts) { e(f).FileSystem, f.Durable = "overlay", false }},
		"nfs":                  {"file_system", warns, "another machine", func(f *Facts) { e(f).FileSystem = "nfs4" }},
		"fuse":                 {"file_system", warns, "another machine or process", func(f *Facts) { e(f).FileSystem = "fuse.sshfs" }},
		"unknown":              {"file_system", warns, "not known", func(f *Facts) { e(f).FileSystem = "" }},
		"read-only":            {"mount_options", fails, "read-only", func(f *Facts) { e(f).MountOptions = "ro,relatime" }},
		"no barriers":          {"mount_options", fails, "nobarrier", func(f *Facts) { e(f).MountOptions = "rw,nobarrier" }},
		"barrier=0":            {"mount_options", fails, "barrier=0", func(f *Facts) { e(f).MountOptions = "rw,barrier=0" }},
		"mounted sync":         {"mount_options", warns, "every write", func(f *Facts) { e(f).MountOptions = "rw,sync" }},
		"strictatime":          {"mount_options", warns, "each read", func(f *Facts) { e(f).MountOptions = "rw,strictatime" }},
		"options not known":    {"mount_options", infos, "not known", func(f *Facts) { e(f).MountOptions = "" }},
		"temporary directory":  {"data_dir", fails, "temporary directory /tmp", func(f *Facts) { e(f).DataDir = "/tmp" }},
		"its own setting":      {"data_dir", fails, "/scratch", func(f *Facts) { e(f).DataDir, f.TempDir = "/scratch", "/scratch" }},
		"below it":             {"data_dir", warns, "below", func(f *Facts) { e(f).DataDir = "/var/tmp/x" }},
		"no device":            {"device", warns, "no block device", func(f *Facts) { e(f).Device = "" }},
		"rotational":           {"device", infos, "rotational", func(f *Facts) { e(f).Rotational = &yes }},
		"write through":        {"write_cache", infos, "only a power cut", func(f *Facts) { e(f).WriteCache = "write through" }},
		"cache not known":      {"write_cache", infos, "not known", func(f *Facts) { e(f).WriteCache = "" }},
		"floor too fast":       {"floor", warns, "implausibly fast", func(f *Facts) { f.Floor.Latency.P50Ns = 3000 }},
		"floor too slow":       {"floor", warns, "slow", func(f *Facts) { f.Floor.Latency.P50Ns, f.Floor.Latency.P99Ns = 50e6, 60e6 }},
		"floor noisy":          {"floor", warns, "noisy", func(f *Facts) { f.Floor.Latency.P99Ns = 90e6 }},
		"no floor":             {"floor", warns, "refuses", func(f *Facts) { f.Floor.Error = "the file system refuses O_DIRECT" }},
		"no floor, process":    {"floor", infos, "refuses", func(f *Facts) { f.Floor.Error, f.Durable = "the file system refuses O_DIRECT", false }},
		"disk full":            {"free_disk", fails, "MiB free", func(f *Facts) { e(f).FreeDiskBytes = 1 << 30 }},
		"disk not known":       {"free_disk", warns, "not known", func(f *Facts) { e(f).FreeDiskBytes = 0 }},
		"one processor":        {"cpus", warns, "take turns", func(f *Facts) { e(f).CPUs = 1 }},
		"powersave":            {"governor", warns, "powersave", func(f *Facts) { e(f).Governor = "powersave" }},
		"no governor":          {"governor", infos, "virtual", func(f *Facts) { e(f).Governor = "" }},
		"busy":                 {"load", warns, "others", func(f *Facts) { e(f).LoadAverage[0] = 3 }},
		"stolen":               {"steal", warns, "10.0%", func(f *Facts) { f.Steal = 0.1 }},
		"steal not known":      {"steal", infos, "not known", func(f *Facts) { f.Steal = -1 }},
		"CPU quota":            {"cgroup_cpu", warns, "1.5 CPUs of 4", func(f *Facts) { e(f).CgroupCPU = "1.5 CPUs" }},
		"quota of all":         {"cgroup_cpu", passes, "4 CPUs", func(f *Facts) { e(f).CgroupCPU = "4 CPUs" }},
		"memory limit":         {"cgroup_memory", warns, "256 MiB", func(f *Facts) { e(f).CgroupMemory = "268435456 bytes" }},
		"enough memory":        {"cgroup_memory", passes, "4096 MiB", func(f *Facts) { e(f).CgroupMemory = "4294967296 bytes" }},
		"little memory":        {"memory", warns, "available", func(f *Facts) { f.AvailableBytes = 1 << 20 }},
		"memory not known":     {"memory", infos, "not known", func(f *Facts) { f.AvailableBytes = 0 }},
		"hpet":                 {"clock_source", warns, "system call", func(f *Facts) { e(f).ClockSource = "hpet" }},
		"clock not known":      {"clock_source", infos, "not known", func(f *Facts) { e(f).ClockSource = "" }},
		"caches stay":          {"drop_caches", infos, "may not drop", func(f *Facts) { f.DropCaches = false }},
		"only root traces":     {"trace", warns, "administrator", func(f *Facts) { f.PtraceScope = 2 }},
		"nobody traces":        {"trace", warns, "cannot be verified", func(f *Facts) { f.PtraceScope = 3 }},
		"no FUSE":              {"crash_tests", infos, "no FUSE, loop", func(f *Facts) { f.Fuse = false }},
	} {
		covered[c.check] = true
		t.Run(name, func(t *testing.T) {
			f := sound()
			c.spoil(&f)
			findings := Examine(f)
			got := find(t, findings, c.check)
			require.Equal(t, c.status, got.Status, Line(got))
			require.Contains(t, got.Found, c.says)
			require.Equal(t, c.status == warns || c.status == fails, got.Remedy != "", "a remedy for what is wrong: %s", Line(got))
			require.Equal(t, c.status == fails, Failed(findings))
			before := Examine(sound())
			for i, other := range findings {
				if other.Check != c.check && other.Check != "cpus" && other.Check != "load" && other.Check != "device" {
					require.Equal(t, before[i].Status, other.Status, other.Check)
				}
			}
		})
	}
	for _, r := range rules {
		require.True(t, covered[r.check], "no row triggers rule %s", r.check)
	}
}

func TestAMachineThatTellsNothing(t *testing.T) {
	seen := map[string]bool{}
	for _, f := range Examine(Facts{}) {
		require.False(t, seen[f.Check], "two rules are called %s", f.Check)
		seen[f.Check] = true
		require.NotEmpty(t, f.Found)
	}
	require.Len(t, seen, len(rules))
}

func TestRefuse(t *testing.T) {
	e := sound().Environment
	require.NoError(t, Refuse(e, true, "/tmp"))
	e.FileSystem = "tmpfs"
	require.ErrorContains(t, Refuse(e, true, "/tmp"), "give --data-dir a directory on a disk")
	require.NoError(t, Refuse(e, false, "/tmp"))
	e.FileSystem = "overlay"
	require.ErrorContains(t, Refuse(e, true, "/tmp"), "mount a volume")
	e = sound().Environment
	e.DataDir = "/tmp"
	require.ErrorContains(t, Refuse(e, false, "/tmp"), "temporary directory")
	e.DataDir = "/tmp/below"
	require.NoError(t, Refuse(e, true, "/tmp"), "what lies below is a warning")
}

// tree lays out a small fake of the kernel's files.
func tree(t *testing.T, files map[string]string) string {
	t.Helper()
	root := t.TempDir()
	for name, content := range files {
		path := filepath.Join(root, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, []byte(content), 0o644))
	}
	return root
}

func TestLookReadsTheMachine(t *testing.T) {
	root := tree(t, map[string]string{
		"proc/meminfo":                      "MemTotal: 4096 kB\nMemAvailable:    2048 kB\n",
		"proc/sys/kernel/yama/ptrace_scope": "2\n",
		"proc/stat":                         "cpu  1 2 3 4 5 6 7 8 0 0\n",
		"proc/loadavg":                      "9.00 1 1 1/1 1\n",
		"proc/self/mountinfo":               "1 0 0:1 / / rw,noatime - overlay overlay rw\n",
		"dev/fuse":                          "",
	})
	dir := t.TempDir()
	f := look(context.Background(), root, env.CaptureBelow(root, dir), Options{DataDir: dir, Durable: true, FloorTime: time.Millisecond})
	require.EqualValues(t, 2<<20, f.AvailableBytes)
	require.Equal(t, 2, f.PtraceScope)
	require.True(t, f.Fuse)
	require.False(t, f.Loop)
	require.False(t, f.DropCaches)
	require.Negative(t, f.Steal, "the file did not change")
	findings := Examine(f)
	require.Equal(t, result.FindingFail, find(t, findings, "file_system").Status)
	require.Equal(t, result.FindingWarn, find(t, findings, "load").Status)
	require.Equal(t, result.FindingWarn, find(t, findings, "trace").Status)
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Empty(t, entries, "the probe leaves nothing")
}

func TestStolenTime(t *testing.T) {
	at := func(line string) ticks {
		return readTicks(tree(t, map[string]string{"proc/stat": line + "\ncpu0 9 9\n"}))
	}
	a, b := at("cpu  100 0 100 700 50 25 25 10 0 0"), at("cpu  120 0 120 740 50 25 25 30 0 0")
	require.InDelta(t, 0.2, stolen(a, b), 1e-9)
	for _, line := range []string{"", "cpu 1 2", "intr 1 2 3 4 5 6 7 8 9", "cpu a b c d e f g h i"} {
		require.Zero(t, at(line), line)
	}
	require.Negative(t, stolen(b, a))
}

func TestLookAtThisMachine(t *testing.T) {
	f := Look(context.Background(), Options{DataDir: filepath.Join(t.TempDir(), "not", "there"), FloorTime: time.Millisecond})
	require.Positive(t, f.Environment.CPUs)
	require.Positive(t, f.AvailableBytes)
	require.Len(t, Examine(f), len(rules))
}
