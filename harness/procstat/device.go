package procstat

import (
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Device is the block device under a directory, seen by its counters. They
// count what everybody on the machine does with it.
type Device struct{ path string }

// DeviceWrites is what a device has completed since it came up.
type DeviceWrites struct {
	Writes uint64 // requests, those without data that only flush its cache included
	Bytes  uint64 // written
}

// DeviceOf finds the device that holds dir. A file system that is on no single
// block device (tmpfs, overlay, network, btrfs) has none, which is an error.
func DeviceOf(dir string) (Device, error) {
	var st unix.Stat_t
	if err := unix.Stat(dir, &st); err != nil {
		return Device{}, fmt.Errorf("procstat: %s: %w", dir, err)
	}
	d := Device{fmt.Sprintf("/sys/dev/block/%d:%d/stat", unix.Major(st.Dev), unix.Minor(st.Dev))}
	if _, err := d.Read(); err != nil {
		return Device{}, fmt.Errorf("procstat: the file system of %s has no block device whose writes are counted: %w", dir, err)
	}
	return d, nil
}

// Read reads the counters.
func (d Device) Read() (DeviceWrites, error) {
	raw, err := os.ReadFile(d.path)
	if err != nil {
		return DeviceWrites{}, err
	}
	w, err := parseDevice(string(raw))
	if err != nil {
		return w, fmt.Errorf("procstat: %s: %w", d.path, err)
	}
	return w, nil
}

// sectorBytes is the unit of the kernel's block statistics, whatever the device's is.
const sectorBytes = 512

// parseDevice reads a stat file of a block device, the fields of which are told
// in the kernel's Documentation/block/stat.rst: 5 writes, 7 sectors written,
// counted from 1. A flush that a file system asks for is a write without sectors;
// field 16 counts what the device was told for it once more.
func parseDevice(text string) (w DeviceWrites, err error) {
	fields := strings.Fields(text)
	if len(fields) < 11 {
		return w, fmt.Errorf("%d fields, want 11 and more", len(fields))
	}
	for _, f := range []struct {
		dst   *uint64
		index int
		unit  uint64
	}{{&w.Writes, 4, 1}, {&w.Bytes, 6, sectorBytes}} {
		n, err := strconv.ParseUint(fields[f.index], 10, 64)
		if err != nil {
			return w, fmt.Errorf("field %d: %w", f.index+1, err)
		}
		*f.dst = n * f.unit
	}
	return w, nil
}
