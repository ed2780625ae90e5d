// Command notices prints the licences of every module that is linked into
// orbitbench, for `orbitbench version --notices` and the container image:
//
//	make notices
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"sort"
	"strings"
)

func main() {
	if err := run(os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "notices:", err)
		os.Exit(1)
	}
}

type module struct{ Path, Version, Dir string }

func run(w io.Writer) error {
	modules, err := linkedModules()
	if err != nil {
		return err
	}
	fmt.Fprint(w, "orbitbench is licensed under the Apache License 2.0. It links the Go modules below.\n"+
		"With build tag rocksdb it also links RocksDB (https://rocksdb.org), used here under the\n"+
		"Apache License 2.0, with snappy, lz4, zstd and zlib under their own licences, as shared\n"+
		"libraries of the system. With build tag lmdb it links LMDB (http://www.lmdb.tech), under the\n"+
		"OpenLDAP Public License 2.8, and with build tag sqlite SQLite (https://www.sqlite.org), in the\n"+
		"public domain, both as shared libraries of the system. The Go runtime and standard library are under a BSD licence.\n")
	for _, m := range modules {
		fmt.Fprintf(w, "\n%s\n%s %s\n%s\n", strings.Repeat("=", 78), m.Path, m.Version, strings.Repeat("=", 78))
		if err := printLicences(w, m); err != nil {
			return err
		}
	}
	return nil
}

func linkedModules() ([]module, error) {
	cmd := exec.Command("go", "list", "-deps", "-json=Module", "-tags=rocksdb,grocksdb_clean_link,lmdb,sqlite,badger", "orbitbench/cmd/orbitbench")
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, err
	}
	seen := map[string]module{}
	dec := json.NewDecoder(strings.NewReader(string(out)))
	for {
		var p struct{ Module *module }
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return nil, err
		}
		if p.Module != nil && p.Module.Path != "orbitbench" {
			seen[p.Module.Path] = *p.Module
		}
	}
	var modules []module
	for _, m := range seen {
		modules = append(modules, m)
	}
	sort.Slice(modules, func(i, j int) bool { return modules[i].Path < modules[j].Path })
	return modules, nil
}

// printLicences prints the licence files at the root of a module.
func printLicences(w io.Writer, m module) error {
	entries, err := os.ReadDir(m.Dir)
	if err != nil {
		return err
	}
	found := false
	for _, e := range entries {
		if !isLicence(e.Name()) || e.IsDir() {
			continue
		}
		text, err := os.ReadFile(filepath.Join(m.Dir, e.Name()))
		if err != nil {
			return err
		}
		found = true
		fmt.Fprintf(w, "\n-- %s\n\n%s\n", e.Name(), strings.TrimSpace(string(text)))
	}
	if !found {
		return fmt.Errorf("%s %s: no licence file in the module", m.Path, m.Version)
	}
	return nil
}

// isLicence tells by the name, in whatever case its authors spell it.
func isLicence(name string) bool {
	name = strings.ToUpper(name)
	for _, start := range []string{"LICENSE", "LICENCE", "COPYING", "NOTICE"} {
		if strings.HasPrefix(name, start) {
			return true
		}
	}
	return false
}
