package lmdb

import (
	"os"
	"regexp"
	"testing"
)

// The shims are linked into one program, so that a function of C with the name
// of one in another breaks the build, which no test of one package shows.
func TestShimsShareNoName(t *testing.T) {
	names := map[string]string{}
	for _, path := range []string{"shim.c", "../rocksdb/shim.c", "../sqlite/shim.c"} {
		src, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		found := regexp.MustCompile(`(?m)^(?:\w+ \**)+(\w+)\(`).FindAllSubmatch(src, -1)
		if len(found) < 5 {
			t.Fatalf("%s: %d functions were recognised", path, len(found))
		}
		for _, m := range found {
			if regexp.MustCompile(`(?m)^static .*\b` + string(m[1]) + `\(`).Match(src) {
				continue
			}
			if other, taken := names[string(m[1])]; taken {
				t.Errorf("%s stands in %s and in %s", m[1], other, path)
			}
			names[string(m[1])] = path
		}
	}
}
