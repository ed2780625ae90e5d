package doctor

import (
	"fmt"
	"slices"
)

func cpus(f *Facts) verdict {
	if n := f.Environment.CPUs; n < 2 {
		return warn(fmt.Sprintf("%d processor: the load generator and the engine take turns on it", n), "use a machine with two or more")
	}
	return pass(fmt.Sprintf("%d usable", f.Environment.CPUs))
}

func governor(f *Facts) verdict {
	switch g := f.Environment.Governor; g {
	case "":
		return info("the kernel does not show one, as is usual in virtual machines")
	case "performance":
		return pass(g)
	default:
		return warn(fmt.Sprintf("frequency governor %s: the clock rate follows the load", g), "cpupower frequency-set -g performance")
	}
}

// busyLoad is the load average per processor above which others are at work.
const busyLoad = 0.5

func load(f *Facts) verdict {
	one := f.Environment.LoadAverage[0]
	text := fmt.Sprintf("load average %.2f on %d processors", one, f.Environment.CPUs)
	if one > busyLoad*float64(max(f.Environment.CPUs, 1)) {
		return warn(text+": others are at work", "stop them, or wait; trials are interleaved, but not immune")
	}
	return pass(text)
}

// muchSteal is the share of stolen time that shows in a p99.
const muchSteal = 0.02

func steal(f *Facts) verdict {
	switch {
	case f.Steal < 0:
		return info("time stolen by a hypervisor not known")
	case f.Steal > muchSteal:
		return warn(fmt.Sprintf("%.1f%% of the processors' time was stolen by the hypervisor", 100*f.Steal), "use a machine with processors of its own, or more trials")
	}
	return pass(fmt.Sprintf("%.1f%%", 100*f.Steal))
}

func cgroupCPU(f *Facts) verdict {
	text := f.Environment.CgroupCPU
	var limit float64
	if _, err := fmt.Sscan(text, &limit); text == "" || err != nil {
		return pass("no limit")
	}
	if limit < float64(f.Environment.CPUs) {
		return warn(fmt.Sprintf("the control group allows %s of %d: when they are used up every thread stops for tens of milliseconds", text, f.Environment.CPUs),
			"lift the quota (docker run without --cpus), or bind to whole processors (--cpuset-cpus)")
	}
	return pass(text)
}

// smallMemory is too little for the engines' default budget, a loaded store and
// its page cache side by side.
const smallMemory = 1 << 30

func cgroupMemory(f *Facts) verdict {
	text := f.Environment.CgroupMemory
	var limit uint64
	if _, err := fmt.Sscan(text, &limit); text == "" || err != nil {
		return pass("no limit")
	}
	text = fmt.Sprintf("%d MiB", limit>>20)
	if limit < smallMemory {
		return warn(text+", page cache included: engines may be killed, or read from disk what they else would not",
			fmt.Sprintf("allow %d MiB or more (docker run --memory)", smallMemory>>20))
	}
	return pass(text)
}

func memory(f *Facts) verdict {
	free := f.AvailableBytes
	text := fmt.Sprintf("%d of %d MiB available", free>>20, f.Environment.MemoryBytes>>20)
	switch {
	case free == 0:
		return info("available memory not known")
	case free < smallMemory:
		return warn(text, "stop what uses it, or plan fewer --actors")
	}
	return pass(text)
}

// The clock sources that are read without a system call.
var fastClocks = []string{"tsc", "kvm-clock", "arch_sys_counter", "hyperv_clocksource_tsc_page", "riscv_clocksource", "timebase"}

func clockSource(f *Facts) verdict {
	switch c := f.Environment.ClockSource; {
	case c == "":
		return info("clock source not known")
	case slices.Contains(fastClocks, c):
		return pass(c)
	default:
		return warn(fmt.Sprintf("clock source %s: reading the clock is a system call of about a microsecond, in every latency", c),
			"switch to tsc, if the machine keeps it steady (echo tsc > /sys/devices/system/clocksource/clocksource0/current_clocksource)")
	}
}

func dropCaches(f *Facts) verdict {
	if f.DropCaches {
		return pass("the kernel's caches can be dropped")
	}
	return info("this user may not drop the kernel's caches; the pages of a store's own files can be dropped all the same, names and inodes stay warm")
}

// trace judges whether durability can be verified.
func trace(f *Facts) verdict {
	switch f.PtraceScope {
	case 2:
		return warn("kernel.yama.ptrace_scope is 2: promises of durability can be verified by an administrator only", "run as root, or sysctl kernel.yama.ptrace_scope=1")
	case 3:
		return warn("kernel.yama.ptrace_scope is 3: promises of durability cannot be verified", "boot with it at 1")
	}
	return pass("children can be traced, as the check of durability needs")
}

func crashTests(f *Facts) verdict {
	text := "power cuts can be simulated: "
	have := func(ok bool, name string) string {
		if ok {
			return name
		}
		return "no " + name
	}
	return info(text + have(f.Fuse, "FUSE") + ", " + have(f.Loop, "loop devices"))
}

func orUnknown(s string) string {
	if s == "" {
		return "the data directory"
	}
	return s
}
