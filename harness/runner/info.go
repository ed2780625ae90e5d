package runner

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"orbitbench/engines"
	"orbitbench/harness/plan"
	"orbitbench/harness/result"
)

// ToolInfo describes this program, from what the Go linker left in it.
// version overrides the module's version where it is not empty.
func ToolInfo(version string) result.Tool {
	t := result.Tool{Version: version, GoVersion: runtime.Version()}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return t
	}
	if t.Version == "" {
		t.Version = info.Main.Version
	}
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			t.Commit = s.Value
		case "vcs.modified":
			t.Modified = s.Value == "true"
		}
	}
	t.Modules = map[string]string{}
	for _, m := range info.Deps {
		if m.Replace != nil {
			m = m.Replace
		}
		t.Modules[m.Path] = m.Version
	}
	return t
}

// describe fills the engines of run.json.
func (r *run) describe(ctx context.Context) ([]result.Engine, error) {
	var all []result.Engine
	for _, e := range r.plan.Engines {
		d, err := r.Lookup(e.Name)
		if err != nil {
			return nil, err
		}
		described := Describe(d.Info())
		described.Complexity = r.complexity(ctx, d, e)
		all = append(all, described)
	}
	return all, nil
}

// Describe turns a driver's description into that of a result.
func Describe(info engines.Info) result.Engine {
	e := result.Engine{
		Name: info.Name, Title: info.Title, Role: string(info.Role), Claim: info.Claim, Summary: info.Summary,
		Module: info.Module, Cgo: info.Cgo, Configuration: info.Configuration,
		VisibleBeforeDurable: info.VisibleBeforeDurable,
		Classes:              []string{},
	}
	for _, c := range info.Classes {
		e.Classes = append(e.Classes, c.String())
	}
	for c, why := range info.WhyNot {
		if e.WhyNot == nil {
			e.WhyNot = map[string]string{}
		}
		e.WhyNot[c.String()] = why
	}
	return e
}

// complexity joins the counts from the source with the tunables and the
// goroutines; nil if the source was not counted.
func (r *run) complexity(ctx context.Context, d engines.Driver, e plan.Engine) *result.Complexity {
	c, ok := r.Complexity[e.Name]
	if !ok {
		return nil
	}
	for _, effective := range e.Effective {
		if fields, ok := effective.(map[string]any); ok {
			c.Tunables = max(c.Tunables, len(fields))
		}
	}
	defaults, err := plan.DefaultOptions(d)
	if err != nil {
		return &c // it cannot be opened here; its skipped cells say why
	}
	if c.Tunables == 0 {
		c.Tunables = len(defaults)
	}
	if r.Inspect == nil || ctx.Err() != nil {
		return &c
	}
	dir, err := r.cellDir("inspect-" + e.Name)
	if err == nil {
		c.Goroutines, err = r.goroutines(ctx, e.Name, dir)
	}
	if dir != "" {
		if rmErr := os.RemoveAll(dir); err == nil {
			err = rmErr
		}
	}
	if err != nil && ctx.Err() == nil {
		c.Note = strings.TrimPrefix(c.Note+"; goroutines not counted: "+firstLine(err), "; ")
	}
	return &c
}

// Idle is what an engine keeps while nothing is asked of it.
type Idle struct {
	Goroutines int `json:"goroutines"`
}

// inspectTime bounds the opening and closing of an empty store.
const inspectTime = 30 * time.Second

// goroutines asks a child process, because opening an engine here would leave
// its memory in the parent, and because it may crash.
func (r *run) goroutines(ctx context.Context, engine, dir string) (int, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, inspectTime, errors.New("an empty store was not opened and closed within "+inspectTime.String()))
	defer cancel()
	var stdout bytes.Buffer
	stderr := &tail{}
	args := append(slices.Clone(r.Inspect[1:]), "--engine", engine, "--dir", dir)
	cmd := exec.CommandContext(ctx, r.Inspect[0], args...)
	cmd.Stdout, cmd.Stderr = &stdout, stderr
	bind(cmd)
	if err := runLocked(cmd); ctx.Err() != nil {
		return 0, context.Cause(ctx)
	} else if err != nil {
		return 0, ended(err, stderr.String())
	}
	var answer Idle
	if err := json.Unmarshal(stdout.Bytes(), &answer); err != nil {
		return 0, fmt.Errorf("answer of the child process: %w", err)
	}
	return answer.Goroutines, nil
}

func firstLine(err error) string {
	line, _, _ := strings.Cut(fmt.Sprint(err), "\n")
	return line
}
