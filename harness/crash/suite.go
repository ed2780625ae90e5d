package crash

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"os"
	"path/filepath"
	"strings"
	"time"

	"orbitbench/engines"
	"orbitbench/harness/result"
)

// Cell is one engine under one class and one method, with so many crashes.
type Cell struct {
	result.PlanCell
	Target Target `json:"target"`
	Method string `json:"method"`
	Want   int    `json:"want"`
	Skip   string `json:"skip,omitempty"` // why it is not tested
}

// WorkloadPrefix begins the name of the workload of a crash cell; the method follows.
const WorkloadPrefix = "crash-"

// Key is the name of a cell.
func Key(engine, method string, d engines.Durability) string {
	return fmt.Sprintf("%s-crash-%s-%s-1", engine, method, strings.ReplaceAll(d.String(), ":", "-"))
}

// NewCell plans one cell; it is skipped where the method says so.
func NewCell(t Target, m Method, want int) Cell {
	c := Cell{
		PlanCell: result.PlanCell{
			Key: Key(t.Engine, m.Name(), t.Durability), Engine: t.Engine, Workload: WorkloadPrefix + m.Name(), Durability: t.Durability.String(), Trial: 1,
		},
		Target: t, Method: m.Name(), Want: want,
	}
	if err := errors.Join(m.Judges(t.Info, t.Durability), m.Available()); err != nil {
		c.Skip = strings.ReplaceAll(err.Error(), "\n", "; ")
	}
	return c
}

// Suite runs cells.
type Suite struct {
	Out     string // run directory: cells go to Out/cells, failures to Out/failures-KEY
	Scratch string // where stores are made; what is made there is removed
	Seed    uint64
	Methods []Method
	Pool    *Pool
	Known   func(t *Target, method string, v Violation) string
	// Progress is told of each crash that was tested.
	Progress func(c *Cell, tested, want int)
}

// Run tests one cell and returns its result, which the caller writes. Only an
// interruption is an error: what else goes wrong makes the cell fail.
func (s *Suite) Run(ctx context.Context, c *Cell) (*result.Cell, error) {
	res := &result.Cell{
		PlanCell: c.PlanCell, Class: c.Target.Durability.Class.String(), Kind: result.KindCrash, Path: "native",
		Seed: s.seedOf(c), Started: time.Now().UTC(),
	}
	if len(c.Target.Config) > 0 {
		res.EngineConfig = c.Target.Config
	}
	defer func() { res.Finished = time.Now().UTC() }()
	if c.Skip != "" {
		res.Status, res.Reason = result.Skipped, c.Skip
		res.Crash = &result.Crash{Method: c.Method, Wanted: c.Want}
		return res, nil
	}
	t := &Trial{Target: c.Target, Method: s.method(c.Method), Seed: res.Seed, Want: c.Want, Pool: s.Pool, Known: s.Known, Failures: filepath.Join(s.Out, "failures-"+c.Key)}
	if t.Method == nil {
		return nil, fmt.Errorf("cell %s: unknown method %q", c.Key, c.Method)
	}
	if s.Progress != nil {
		t.Progress = func(tested, want int) { s.Progress(c, tested, want) }
	}
	if err := os.RemoveAll(t.Failures); err != nil {
		return nil, err
	}
	err := s.in(c.Key, func(dir string) error {
		t.Dir = dir
		t.begin()
		return t.Method.Run(ctx, t)
	})
	res.Crash = t.Result()
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case err != nil:
		res.Status, res.Reason = result.Failed, err.Error()
	default:
		res.Status = result.OK
	}
	if res.Crash.NotMounted > 0 {
		res.Warnings = append(res.Warnings, fmt.Sprintf("%d states would not mount: they say nothing about the engine", res.Crash.NotMounted))
	}
	return res, nil
}

// in calls f with a directory of its own.
func (s *Suite) in(key string, f func(dir string) error) (err error) {
	dir, err := MakeScratch(s.Scratch, key)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	return f(dir)
}

// seedOf gives each cell its own seed, whatever other cells there are.
func (s *Suite) seedOf(c *Cell) uint64 {
	h := fnv.New64a()
	h.Write([]byte(c.Key))
	return s.Seed ^ h.Sum64()
}

func (s *Suite) method(name string) Method {
	for _, m := range s.Methods {
		if m.Name() == name {
			return m
		}
	}
	return nil
}
