package main

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const module = "orbitbench"

// importRules is the map of ARCHITECTURE.md: which packages of this module a
// package may import. The first pattern that matches a package is its rule; an
// entry ending in /... allows the folder and all below it. Test files are free.
var importRules = []struct {
	packages string   // pattern of path.Match, relative to the module
	may      []string // what they may import of this module
	stdOnly  bool     // nothing outside the standard library and may
}{
	{"engines/lease", nil, true},
	{"engines", []string{"engines/lease"}, true},
	{"engines/directory", []string{"engines", "engines/lease"}, true},
	{"engines/enginetest", []string{"engines", "engines/lease"}, false},
	{"engines/mutants", []string{"engines", "engines/lease", "engines/enginetest", "engines/memory"}, false},
	{"engines/mutants/*", []string{"engines", "engines/lease", "engines/adapter"}, false},
	{"engines/internal/*", []string{"engines", "engines/lease", "engines/internal/..."}, false},
	{"engines/mmapwal", []string{"engines", "engines/lease", "engines/internal/..."}, false},
	{"engines/appendlog", []string{"engines", "engines/lease", "engines/internal/..."}, false},
	{"engines/actorstore", []string{"engines", "engines/lease", "engines/internal/..."}, false},
	{"engines/cowbtree", []string{"engines", "engines/lease", "engines/internal/..."}, false},
	{"engines/all", []string{"engines/..."}, false},
	{"engines/all/*", []string{"engines/..."}, false},
	{"engines/restore", []string{"engines"}, true},
	{"engines/adapter", []string{"engines", "engines/lease"}, false},
	{"engines/*", []string{"engines", "engines/lease", "engines/adapter"}, false},
	{"workloads", []string{"engines/lease", "harness/result"}, false},
	{"harness/result", nil, true},
	{"harness/record", []string{"harness/result", "harness/offheap"}, false},
	{"harness/crash/record", nil, false},
	{"harness/crash/*", []string{"harness/crash/..."}, false},
	{"harness/aa", []string{"engines", "engines/lease", "workloads", "harness/...", "reports/stats"}, false},
	{"harness/*", []string{"engines", "engines/lease", "engines/directory", "workloads", "harness/..."}, false},
	{"reports", []string{"harness/result", "reports/..."}, false},
	{"reports/*", []string{"harness/result", "reports/..."}, false},
	{"cmd/orbitbench", []string{"..."}, false},
	{"cmd/orbitbench/*", nil, true},
}

// broken says which rule an import breaks, or "".
func broken(pkg, imp string) string {
	for _, r := range importRules {
		if ok, err := path.Match(r.packages, pkg); err != nil || !ok {
			continue
		}
		inside, isOurs := strings.CutPrefix(imp, module+"/")
		switch {
		case !isOurs:
			if r.stdOnly && strings.Contains(strings.Split(imp, "/")[0], ".") {
				return r.packages + " imports the standard library only"
			}
			return ""
		case slices.ContainsFunc(r.may, func(may string) bool { return allows(may, inside) }):
			return ""
		}
		return r.packages + " may import " + strings.Join(r.may, ", ")
	}
	return "no rule covers the package: add one, here and in ARCHITECTURE.md"
}

func allows(may, imp string) bool {
	if folder, ok := strings.CutSuffix(may, "..."); ok {
		return strings.HasPrefix(imp+"/", folder)
	}
	return may == imp
}

func TestImportsRunOneWay(t *testing.T) {
	for _, tags := range []string{"", "rocksdb", "lmdb", "sqlite", "badger"} {
		cmd := exec.Command("go", "list", "-json=ImportPath,Imports", "-tags="+tags, module+"/...")
		out, err := cmd.Output()
		require.NoError(t, err)
		dec := json.NewDecoder(strings.NewReader(string(out)))
		seen := 0
		for {
			var p struct {
				ImportPath string
				Imports    []string
			}
			if err := dec.Decode(&p); errors.Is(err, io.EOF) {
				break
			} else {
				require.NoError(t, err)
			}
			seen++
			for _, imp := range p.Imports {
				if why := broken(strings.TrimPrefix(p.ImportPath, module+"/"), imp); why != "" {
					t.Errorf("%s imports %s: %s", p.ImportPath, imp, why)
				}
			}
		}
		require.Greater(t, seen, 10, "go list found the module's packages")
	}
}

// The checker itself: each of these must be refused.
func TestImportRulesCatch(t *testing.T) {
	for _, c := range [][2]string{
		{"engines/lease", module + "/engines"},
		{"engines/lease", "github.com/stretchr/testify/require"},
		{"engines", module + "/harness/result"},
		{"engines/pebble", module + "/engines/internal/wal"},
		{"engines/appendlog", module + "/engines/pebble"},
		{"engines/internal/wal", module + "/engines/appendlog"},
		{"workloads", module + "/engines"},
		{"harness/runner", module + "/engines/all"},
		{"harness/cell", module + "/engines/pebble"},
		{"harness/result", module + "/harness/record"},
		{"reports", module + "/engines"},
		{"elsewhere", "fmt"},
	} {
		require.NotEmpty(t, broken(c[0], c[1]), "%s importing %s", c[0], c[1])
	}
	require.Empty(t, broken("harness/cell", module+"/engines/directory"))
	require.Empty(t, broken("engines/pebble", "github.com/cockroachdb/pebble/v2"))
}

// The default build links none of the optional engines, and no C for them.
func TestDefaultBuildIsLean(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", "-f", "{{.ImportPath}} {{len .CgoFiles}}", module+"/cmd/orbitbench").Output()
	require.NoError(t, err)
	seen := 0
	for line := range strings.Lines(string(out)) {
		fields := strings.Fields(line)
		seen++
		for _, optional := range []string{"github.com/linxGnu/grocksdb", "github.com/dgraph-io/badger"} {
			require.False(t, strings.HasPrefix(fields[0], optional), "the default build links %s", fields[0])
		}
		if strings.HasPrefix(fields[0], module+"/") {
			require.Equal(t, "0", fields[1], "%s has cgo files in the default build", fields[0])
		}
	}
	require.Greater(t, seen, 100, "go list found the program's packages")
}
