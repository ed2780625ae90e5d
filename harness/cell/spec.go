package cell

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"orbitbench/engines"
	"orbitbench/engines/directory"
	"orbitbench/harness/result"
	"orbitbench/workloads"
)

// KindOverhead is the kind of cell that measures the harness, on an engine
// that does nothing; its result is a result.Overhead.
const KindOverhead = "overhead"

// PathGeneric as Spec.Path forces get, check and Apply on an engine that has a
// shorter way.
const PathGeneric = directory.PathGeneric

// Spec says what to measure. It travels to the child process as JSON.
type Spec struct {
	Plan        result.PlanCell    `json:"plan"`
	Kind        string             `json:"kind"` // a kind of result.Cell, or KindOverhead
	Path        string             `json:"path,omitempty"`
	Durability  engines.Durability `json:"durability"`
	Params      result.Params      `json:"params"`
	Config      map[string]any     `json:"config,omitempty"` // the engine's own options
	Seed        uint64             `json:"seed"`
	Dir         string             `json:"dir"` // an existing empty directory for this cell alone; the caller removes it
	Repetitions int                `json:"repetitions,omitempty"`
	KeepData    bool               `json:"keep_data,omitempty"` // a recovery cell keeps the store of each repetition
	Curve       *CurveJob          `json:"curve,omitempty"`     // for KindCurve
	Capacity    *CapacityJob       `json:"capacity,omitempty"`  // for KindCapacity
}

// Progress is how far a cell has come.
type Progress struct {
	Phase   string  `json:"phase"`
	Done    float64 `json:"done"` // of Total: seconds, records or repetitions
	Total   float64 `json:"total"`
	P99Ns   int64   `json:"p99_ns,omitempty"` // of the latest second
	OpsPerS float64 `json:"ops_per_s,omitempty"`
}

// Message is one line that the child writes: progress, or its result as the last one.
type Message struct {
	Progress *Progress        `json:"progress,omitempty"`
	Cell     *result.Cell     `json:"cell,omitempty"`
	Overhead *result.Overhead `json:"overhead,omitempty"`
}

// Lookup finds the driver of an engine by its name.
type Lookup = func(name string) (engines.Driver, error)

// storeName is the store's directory within Spec.Dir.
const storeName = "store"

// validate checks what does not depend on the engine.
func (s *Spec) validate() error {
	switch s.Kind {
	case result.KindRenewal, result.KindRecovery, result.KindCapacity, result.KindCurve, KindOverhead:
		if s.Params.Store != "" {
			return fmt.Errorf("kind is %q with store %q, want kind %s", s.Kind, s.Params.Store, s.Params.Store)
		}
	case result.KindNodes, result.KindQueryCache, result.KindTimeSeries:
		if s.Params.Store != s.Kind {
			return fmt.Errorf("store is %q, want %s as the kind has it", s.Params.Store, s.Kind)
		}
	default:
		return fmt.Errorf("kind is %q, want %s, %s, %s, %s, %s or %s", s.Kind, result.KindRenewal, result.KindRecovery, result.KindCapacity, result.KindCurve, strings.Join(workloads.Stores(), ", "), KindOverhead)
	}
	if s.Path != "" && s.Path != PathGeneric && s.Path != directory.PathNative {
		return fmt.Errorf("path is %q, want %s, %s, or nothing for the engine's best", s.Path, directory.PathNative, PathGeneric)
	}
	if err := s.Durability.Validate(); err != nil {
		return err
	}
	entries, err := os.ReadDir(s.Dir)
	if err != nil {
		return fmt.Errorf("directory of the cell: %w", err)
	}
	if len(entries) > 0 {
		return fmt.Errorf("directory of the cell: %s is not empty", s.Dir)
	}
	p := workloads.Params(s.Params)
	if err := p.Validate(); err != nil {
		return err
	}
	if s.Kind == result.KindCapacity {
		if err := s.Capacity.validate(&s.Params); err != nil {
			return err
		}
	}
	if s.Kind != result.KindRenewal && s.Kind != result.KindCapacity && !result.IsStore(s.Kind) {
		return nil
	}
	switch {
	case !(s.Params.Seconds > 0):
		return fmt.Errorf("seconds is %v, want more than 0", s.Params.Seconds)
	case !(s.Params.WarmupSeconds >= 0):
		return fmt.Errorf("warmup_seconds is %v, want 0 or more", s.Params.WarmupSeconds)
	case s.Params.Loop == workloads.Open && !(s.Params.RatePerS > 0):
		return fmt.Errorf("rate_per_s is %v, want more than 0 in an open loop", s.Params.RatePerS)
	case s.Params.Loop != workloads.Open && s.Params.Loop != workloads.Closed:
		return fmt.Errorf("loop is %q, want %s or %s", s.Params.Loop, workloads.Open, workloads.Closed)
	}
	return nil
}

func (s *Spec) options(dir string) engines.Options {
	return engines.Options{Dir: dir, Durability: s.Durability, MemoryBytes: s.Params.MemoryBytes, Config: s.Config}
}

// readJSON reads exactly one JSON value with no unknown fields.
func readJSON(r io.Reader, v any) error {
	dec := json.NewDecoder(r)
	dec.DisallowUnknownFields()
	if err := dec.Decode(v); err != nil {
		return fmt.Errorf("specification: %w", err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return errors.New("specification: more than one JSON value")
	}
	return nil
}
