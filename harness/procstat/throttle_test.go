package procstat

import (
	"os"
	"path/filepath"
	"testing"
)

func writeTree(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		p := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestThrottledTime(t *testing.T) {
	tests := []struct {
		name  string
		files map[string]string
		want  int64
		ok    bool
	}{
		{"version 2, own group and one above", map[string]string{
			"proc/self/cgroup": "0::/a/b\n", "cg/a/b/cpu.stat": "usage_usec 5\nnr_throttled 2\nthrottled_usec 7\n", "cg/a/cpu.stat": "throttled_usec 3\n", "cg/cpu.stat": "usage_usec 9\n",
		}, 10_000, true},
		{"a container with a mount of its own", map[string]string{
			"proc/self/cgroup": "0::/docker/abc\n", "cg/cpu.stat": "throttled_usec 4\n",
		}, 4000, true},
		{"version 1", map[string]string{
			"proc/self/cgroup": "4:memory:/x\n3:cpu,cpuacct:/x\n", "cg/cpu,cpuacct/x/cpu.stat": "nr_throttled 1\nthrottled_time 12\n",
		}, 12, true},
		{"version 1 under its short name", map[string]string{
			"proc/self/cgroup": "3:cpu,cpuacct:/x\n", "cg/cpu/x/cpu.stat": "throttled_time 12\n",
		}, 12, true},
		{"no limit", map[string]string{"proc/self/cgroup": "0::/\n", "cg/cpu.stat": "usage_usec 9\n"}, 0, false},
		{"garbled", map[string]string{"proc/self/cgroup": "0::/\nx\n", "cg/cpu.stat": "throttled_usec many\n"}, 0, false},
		{"no control groups", map[string]string{"proc/x": ""}, 0, false},
	}
	for _, tt := range tests {
		dir := writeTree(t, tt.files)
		ns, ok := throttledNs(filepath.Join(dir, "proc"), filepath.Join(dir, "cg"))
		if ns != tt.want || ok != tt.ok {
			t.Errorf("%s: %d ns, %v; want %d, %v", tt.name, ns, ok, tt.want, tt.ok)
		}
	}
}
