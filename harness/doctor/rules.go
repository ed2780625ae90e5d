package doctor

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"orbitbench/harness/result"
)

// rule judges one aspect of the facts.
type rule struct {
	check string
	judge func(*Facts) verdict
}

// verdict is a Finding without its name.
type verdict struct{ status, found, remedy string }

func pass(found string) verdict         { return verdict{result.FindingPass, found, ""} }
func info(found string) verdict         { return verdict{result.FindingInfo, found, ""} }
func warn(found, remedy string) verdict { return verdict{result.FindingWarn, found, remedy} }
func fail(found, remedy string) verdict { return verdict{result.FindingFail, found, remedy} }

// rules are all rules, in the order in which they are shown.
var rules = []rule{
	{"file_system", fileSystem},
	{"mount_options", mountOptions},
	{"data_dir", dataDir},
	{"device", device},
	{"write_cache", writeCache},
	{"floor", floorFound},
	{"free_disk", freeDisk},
	{"cpus", cpus},
	{"governor", governor},
	{"load", load},
	{"steal", steal},
	{"cgroup_cpu", cgroupCPU},
	{"cgroup_memory", cgroupMemory},
	{"memory", memory},
	{"clock_source", clockSource},
	{"drop_caches", dropCaches},
	{"trace", trace},
	{"crash_tests", crashTests},
}

// Examine applies every rule to the facts.
func Examine(f Facts) []result.Finding {
	findings := make([]result.Finding, 0, len(rules))
	for _, r := range rules {
		v := r.judge(&f)
		findings = append(findings, result.Finding{Check: r.check, Status: v.status, Found: v.found, Remedy: v.remedy})
	}
	return findings
}

// Failed reports whether a finding is a FAIL.
func Failed(findings []result.Finding) bool {
	return slices.ContainsFunc(findings, func(f result.Finding) bool { return f.Status == result.FindingFail })
}

// Line is a finding in one line.
func Line(f result.Finding) string {
	text := fmt.Sprintf("%-4s  %-13s  %s", f.Status, f.Check, f.Found)
	if f.Remedy != "" {
		text += "; " + f.Remedy
	}
	return text
}

// Refuse is the error of a run that must not begin: nil, or why, and what to do.
func Refuse(e result.Environment, durable bool, tempDir string) error {
	f := &Facts{Options: Options{DataDir: e.DataDir, Durable: durable}, Environment: e, TempDir: tempDir}
	for _, judge := range []func(*Facts) verdict{fileSystem, dataDir} {
		if v := judge(f); v.status == result.FindingFail {
			return fmt.Errorf("%s; %s", v.found, v.remedy)
		}
	}
	return nil
}

// The file systems that are not on a device of this machine.
var (
	inMemory  = []string{"tmpfs", "ramfs", "devtmpfs"}
	layered   = []string{"overlay", "aufs"}
	elsewhere = []string{"nfs", "nfs4", "cifs", "smb3", "9p", "ceph", "virtiofs", "glusterfs"}
)

func fileSystem(f *Facts) verdict {
	fs, dir := f.Environment.FileSystem, f.Environment.DataDir
	on := fmt.Sprintf("the data directory %s is on %s", dir, fs)
	switch {
	case fs == "":
		return warn("the file system of the data directory is not known", "see that /proc is mounted")
	case slices.Contains(inMemory, fs) && f.Durable:
		return fail(on+", which is in memory: no write there reaches a device, so that classes sync and interval would promise nothing",
			"give --data-dir a directory on a disk, or ask for --durability process,none only")
	case slices.Contains(inMemory, fs):
		return pass(on + ", in memory; the planned classes do not promise to survive a power cut")
	case slices.Contains(layered, fs) && f.Durable:
		return fail(on+", a container's own layer, whose copies and syncs are not those of a disk",
			"mount a volume and give it to --data-dir (docker run -v orbitdata:/data ... --data-dir /data/orbitbench)")
	case slices.Contains(layered, fs):
		return warn(on+", a container's own layer", "mount a volume and give it to --data-dir (docker run -v orbitdata:/data ...)")
	case slices.Contains(elsewhere, fs) || strings.HasPrefix(fs, "fuse"):
		return warn(on+", which another machine or process serves: its figures are those of the way there",
			"give --data-dir a directory on a local disk")
	}
	return pass(on)
}

func mountOptions(f *Facts) verdict {
	options := strings.Split(f.Environment.MountOptions, ",")
	has := func(names ...string) string {
		for _, n := range names {
			if slices.Contains(options, n) {
				return n
			}
		}
		return ""
	}
	switch {
	case f.Environment.MountOptions == "":
		return info("mount options not known")
	case has("ro") != "":
		return fail("the file system is mounted read-only", "remount it read-write, or give --data-dir another one")
	case has("nobarrier", "barrier=0") != "" && f.Durable:
		return fail(fmt.Sprintf("mounted with %s: a sync does not reach the device's cache, so that no class survives a power cut", has("nobarrier", "barrier=0")),
			"remount with barriers (mount -o remount,barrier)")
	case has("sync", "dirsync") != "":
		return warn(fmt.Sprintf("mounted with %s: every write is a sync, and the classes cannot be told apart", has("sync", "dirsync")),
			"remount without it (mount -o remount,async)")
	case has("strictatime") != "":
		return warn("mounted with strictatime: each read of a file writes", "remount with relatime or noatime")
	}
	return pass(f.Environment.MountOptions)
}

// dataDir judges where the data lies among the system's directories.
func dataDir(f *Facts) verdict {
	dir := f.Environment.DataDir
	for _, temp := range []string{f.TempDir, "/tmp", "/var/tmp", "/dev/shm"} {
		switch temp = filepath.Clean(temp); {
		case dir == temp:
			return fail(fmt.Sprintf("the data directory is the system's temporary directory %s, which others fill and clean", temp),
				"give --data-dir a directory of its own on the disk to be measured")
		case strings.HasPrefix(dir, temp+"/"):
			return warn(fmt.Sprintf("the data directory %s is below the system's temporary directory, which may be cleaned at any time and is often not the disk that a store would use", dir),
				"give --data-dir a directory on the disk to be measured")
		}
	}
	return pass(orUnknown(dir))
}

func device(f *Facts) verdict {
	e := f.Environment
	if e.Device == "" {
		return warn(fmt.Sprintf("no block device is known under %s", orUnknown(e.MountSource)), "give --data-dir a directory on a disk of this machine")
	}
	text := strings.TrimSpace(e.Device + " " + e.DeviceModel)
	if e.Scheduler != "" {
		text += ", scheduler " + e.Scheduler
	}
	if e.Rotational != nil && *e.Rotational {
		return info(text + ", said to be rotational, which virtual disks often are without being it: see the floor")
	}
	return pass(text)
}

func writeCache(f *Facts) verdict {
	switch cache := f.Environment.WriteCache; cache {
	case "write back":
		return pass("write back: the device has a volatile cache, and a sync flushes it")
	case "write through":
		return info("write through: the device says that its cache survives a power cut, and the kernel sends no flush; only a power cut proves it")
	case "":
		return info("write cache not known")
	default:
		return info("write cache " + cache)
	}
}

// The bounds of a plausible floor, for one durable 4 KiB overwrite. Drives with a
// cache that capacitors protect take 10 to 30 us; what is below has most likely
// not been there and back.
const (
	floorSuspect = 8 * time.Microsecond
	floorSlow    = 20 * time.Millisecond
	floorSpread  = 20 // p99 over p50
)

func floorFound(f *Facts) verdict {
	if f.Floor.Error != "" {
		if f.Durable {
			return warn("no durable write could be timed: "+f.Floor.Error, "figures will stand without their ratio to the device")
		}
		return info("no durable write could be timed: " + f.Floor.Error)
	}
	p50, p99 := time.Duration(f.Floor.Latency.P50Ns), time.Duration(f.Floor.Latency.P99Ns)
	text := fmt.Sprintf("durable overwrite of 4 KiB p50 %s, p99 %s", brief(p50), brief(p99))
	switch {
	case p50 < floorSuspect:
		return warn(text+": implausibly fast, the device or the host may acknowledge before it is durable",
			"only a power cut proves that it is; take the classes sync and interval for what they are until then")
	case p50 > floorSlow:
		return warn(text+": slow, the offered rates may not be reached", "use a faster device, or a lower --rate")
	case p99 > floorSpread*p50:
		return warn(text+": noisy, others may use the device", "stop what writes to it, or run more trials")
	}
	return pass(text + "; that it is durable only a power cut proves")
}

func brief(d time.Duration) time.Duration {
	if d < time.Millisecond {
		return d.Round(time.Microsecond)
	}
	return d.Round(10 * time.Microsecond)
}

func freeDisk(f *Facts) verdict {
	free, need := f.Environment.FreeDiskBytes, f.NeedBytes+f.ReserveBytes
	text := fmt.Sprintf("%d MiB free, the plan may need %d MiB and %d MiB stay in reserve", free>>20, f.NeedBytes>>20, f.ReserveBytes>>20)
	switch {
	case free == 0:
		return warn("free disk space not known", "see that the data directory or its parent exists")
	case free < need:
		return fail(text, "free some, give --data-dir a larger disk, or plan fewer --actors or --seconds")
	}
	return pass(text)
}
