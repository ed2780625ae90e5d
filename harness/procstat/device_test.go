package procstat

import (
	"os"
	"path/filepath"
	"testing"
)

func TestParseDevice(t *testing.T) {
	const text = "   17958     6067  1480290    12400    22903    22954  2382792    11149        0     9372    25223     5444       69   809760      963     6255      710\n"
	w, err := parseDevice(text)
	if want := (DeviceWrites{Writes: 22903, Bytes: 2382792 * 512}); err != nil || w != want {
		t.Errorf("%+v (%v), want %+v", w, err, want)
	}
	w, err = parseDevice("1 2 3 4 5 6 7 8 9 10 11")
	if want := (DeviceWrites{Writes: 5, Bytes: 7 * 512}); err != nil || w != want {
		t.Errorf("an old kernel: %+v (%v), want %+v", w, err, want)
	}
	for _, bad := range []string{"", "1 2 3", "1 2 3 4 x 6 7 8 9 10 11"} {
		if _, err := parseDevice(bad); err == nil {
			t.Errorf("%q was read", bad)
		}
	}
}

func TestDeviceCountsAWrite(t *testing.T) {
	dir := t.TempDir()
	d, err := DeviceOf(dir)
	if err != nil {
		t.Skip(err)
	}
	before, err := d.Read()
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.Create(filepath.Join(dir, "f"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.Write(make([]byte, 1<<20)); err != nil {
		t.Fatal(err)
	}
	if err := f.Sync(); err != nil {
		t.Fatal(err)
	}
	after, err := d.Read()
	if err != nil {
		t.Fatal(err)
	}
	if after.Writes == before.Writes || after.Bytes-before.Bytes < 1<<20 {
		t.Errorf("%+v, then %+v after a synced MiB", before, after)
	}
	if _, err := DeviceOf("/proc"); err == nil {
		t.Error("/proc was said to lie on a block device")
	}
	if _, err := DeviceOf(filepath.Join(dir, "missing")); err == nil {
		t.Error("a directory that is not there has a device")
	}
}
