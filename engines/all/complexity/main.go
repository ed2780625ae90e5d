// Command complexity counts the proxies for how much code each engine is and
// writes engines/all/complexity.json anew:
//
//	go generate ./engines/all
//
// Counted are the lines that hold a Go token (no blanks, comments or tests) of
// the engine's own package, of this module's packages below it (the contract
// and its records excepted, which every engine shares) and of the packages of
// its library, and the modules that it draws in. Code in C++ is not counted.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"go/scanner"
	"go/token"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"orbitbench/engines"
	"orbitbench/engines/all"
)

const module = "orbitbench"

func main() {
	if err := run(os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "complexity:", err)
		os.Exit(1)
	}
}

func run(w io.Writer) error {
	counts := map[string]all.Counts{}
	for _, d := range all.Drivers() {
		info := d.Info()
		c, err := count(info)
		if err != nil {
			return fmt.Errorf("%s: %w", info.Name, err)
		}
		counts[info.Name] = c
	}
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	return enc.Encode(counts)
}

// goPackage is what `go list -json` says of a package.
type goPackage struct {
	ImportPath, Dir string
	Standard        bool
	GoFiles         []string
	CgoFiles        []string
	Module          *struct{ Path string }
}

func count(info engines.Info) (all.Counts, error) {
	args := []string{"list", "-deps", "-json=ImportPath,Dir,Standard,GoFiles,CgoFiles,Module", "-tags=rocksdb,grocksdb_clean_link,lmdb,sqlite,badger"}
	cmd := exec.Command("go", append(args, strings.Fields(info.Package)...)...)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return all.Counts{}, err
	}
	library := strings.Fields(info.Module + " ")[0]
	modules := map[string]bool{}
	var c all.Counts
	dec := json.NewDecoder(strings.NewReader(string(out)))
	for {
		var p goPackage
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return c, err
		}
		if p.Standard || p.Module == nil || shared(p.ImportPath) {
			continue
		}
		if p.Module.Path != module {
			modules[p.Module.Path] = true
		}
		if p.Module.Path != module && p.Module.Path != library {
			continue
		}
		n, err := packageLines(p)
		if err != nil {
			return c, err
		}
		c.Lines += n
	}
	c.Dependencies = len(modules)
	if info.Cgo {
		c.Note = "Go binding and adapter only: the C or C++ library itself is not counted"
	}
	return c, nil
}

// shared reports whether every engine stands on the package.
func shared(path string) bool {
	return path == module+"/engines" || path == module+"/engines/lease"
}

func packageLines(p goPackage) (int, error) {
	n := 0
	for _, f := range append(p.GoFiles, p.CgoFiles...) {
		src, err := os.ReadFile(filepath.Join(p.Dir, f))
		if err != nil {
			return 0, err
		}
		n += codeLines(src)
	}
	return n, nil
}

// codeLines counts the lines on which a token begins.
func codeLines(src []byte) int {
	fset := token.NewFileSet()
	file := fset.AddFile("", fset.Base(), len(src))
	var s scanner.Scanner
	s.Init(file, src, nil, 0)
	n, last := 0, 0
	for {
		pos, tok, lit := s.Scan()
		if tok == token.EOF {
			return n
		}
		if tok == token.SEMICOLON && lit == "\n" {
			continue // inserted by the scanner
		}
		if line := file.Line(pos); line != last {
			n, last = n+1, line
		}
	}
}
