package procstat

import (
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
)

// cgroupRoot is where control groups are mounted on every system that we know.
const cgroupRoot = "/sys/fs/cgroup"

// throttledNs is for how long the CPU limit of this process' control group, or
// of one above it, has kept tasks from running, summed over processors and
// groups. Not ok where no group says.
func throttledNs(procDir, root string) (ns int64, ok bool) {
	raw, err := os.ReadFile(filepath.Join(procDir, "self/cgroup"))
	if err != nil {
		return 0, false
	}
	for line := range strings.Lines(string(raw)) {
		parts := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(parts) != 3 {
			continue
		}
		switch {
		case parts[0] == "0" && parts[1] == "": // version 2
			n, found := throttledUpward(root, parts[2])
			ns, ok = ns+n, ok || found
		case hasController(parts[1], "cpu"): // version 1
			n, found := throttledUpward(filepath.Join(root, parts[1]), parts[2])
			if !found {
				n, found = throttledUpward(filepath.Join(root, "cpu"), parts[2])
			}
			ns, ok = ns+n, ok || found
		}
	}
	return ns, ok
}

func hasController(list, name string) bool {
	for _, c := range strings.Split(list, ",") {
		if c == name {
			return true
		}
	}
	return false
}

// throttledUpward sums the group at name and those above it. In a container
// with a mount of its own the name may lead nowhere: the root is the group then.
func throttledUpward(mount, name string) (ns int64, ok bool) {
	for at := path.Clean("/" + name); ; at = path.Dir(at) {
		if raw, err := os.ReadFile(filepath.Join(mount, at, "cpu.stat")); err == nil {
			if n, found := parseThrottled(string(raw)); found {
				ns, ok = ns+n, true
			}
		}
		if at == "/" {
			return ns, ok
		}
	}
}

// parseThrottled reads throttled_usec (cgroup version 2) or throttled_time in ns
// (version 1). A group without a limit has neither.
func parseThrottled(text string) (ns int64, ok bool) {
	for line := range strings.Lines(text) {
		fields := strings.Fields(line)
		if len(fields) != 2 || fields[0] != "throttled_usec" && fields[0] != "throttled_time" {
			continue
		}
		n, err := strconv.ParseInt(fields[1], 10, 64)
		if err != nil {
			return 0, false
		}
		if fields[0] == "throttled_usec" {
			n *= 1000
		}
		return n, true
	}
	return 0, false
}
