package engines

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
)

// Driver describes one engine and opens it. A Driver holds no state.
type Driver interface {
	// Info describes the engine. It is constant.
	Info() Info
	// Configure checks o without touching a file and returns the effective
	// configuration: a struct that encodes to JSON with snake_case names and
	// every default filled in. Its errors are ErrInvalid and ErrUnsupported (a
	// durability class that the engine cannot honour, with the reason).
	Configure(o Options) (any, error)
	// Open opens the store in o.Dir, which it creates if it is missing, and
	// recovers it if it was not closed. Errors: those of Configure, ErrLocked,
	// ErrCorrupt (a *CorruptError), errors of the operating system.
	Open(ctx context.Context, o Options) (Engine, error)
}

// Options are what every engine takes.
type Options struct {
	// Dir is the directory of the store. Its parent must exist.
	Dir string
	// Durability is what an acknowledged commit survives. The zero value is class None.
	Durability Durability
	// MemoryBytes is the budget for caches and memtables of engines that do
	// not hold everything in memory; 0 means DefaultMemoryBytes.
	MemoryBytes int64
	// Config holds the engine's own options by the names of its effective
	// configuration. An unknown name is ErrInvalid.
	Config map[string]any
	// Logf receives what the engine would write to a log; nil discards it.
	Logf func(format string, args ...any)
}

// DefaultMemoryBytes is the memory budget where none is given.
const DefaultMemoryBytes = 256 << 20

// Memory returns o.MemoryBytes or its default.
func (o Options) Memory() int64 {
	if o.MemoryBytes == 0 {
		return DefaultMemoryBytes
	}
	return o.MemoryBytes
}

// Log calls o.Logf if there is one.
func (o Options) Log(format string, args ...any) {
	if o.Logf != nil {
		o.Logf(format, args...)
	}
}

// DecodeConfig decodes o.Config over the defaults in dst, a pointer to the
// engine's own configuration struct with JSON names. An unknown name or a
// value of the wrong type is ErrInvalid.
func (o Options) DecodeConfig(dst any) error {
	if len(o.Config) == 0 {
		return nil
	}
	raw, err := json.Marshal(o.Config)
	if err != nil {
		return fmt.Errorf("%w: configuration: %v", ErrInvalid, err)
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.DisallowUnknownFields()
	if err := dec.Decode(dst); err != nil && err != io.EOF {
		return fmt.Errorf("%w: configuration: %v", ErrInvalid, err)
	}
	return nil
}

// Role says what an engine is doing in a comparison.
type Role string

// The roles.
const (
	Candidate Role = "candidate" // one of the design note's candidates
	Yardstick Role = "yardstick" // an established engine to measure against
	Baseline  Role = "baseline"  // a floor of the harness or a reference model; never ranked
)

// Info describes an engine.
type Info struct {
	Name    string // stable identifier: lower case letters, digits and +
	Title   string // for people: "Append log"
	Role    Role
	Claim   string // row of the design note's table that it answers for, or ""
	Summary string // what it is and how it writes, one or two sentences
	Module  string // Go module or library with its version, "orbitbench" for our own
	Package string // import paths of its code, separated by spaces, for the complexity proxies
	Cgo     bool
	// Optional: it takes part in a comparison only when it is named, because it
	// answers a question that not every comparison asks.
	Optional bool
	// Classes lists the durability classes it can honour; WhyNot gives the
	// reason for each class that it cannot.
	Classes []Class
	WhyNot  map[Class]string
	// RecyclesLog: it writes faster once it uses the files of its log again, so
	// that a measurement of its steady state begins after that.
	RecyclesLog bool
	// VisibleBeforeDurable: readers may see a commit before it is durable.
	VisibleBeforeDurable bool
	// QueryCacheEvicts: records of QueryCache may vanish by themselves.
	QueryCacheEvicts bool
	// TimeSeriesAppendOnly: Delete in TimeSeries is ErrUnsupported.
	TimeSeriesAppendOnly bool
	// Configuration explains why the defaults are what its authors (or its
	// users) recommend for this load, with the source.
	Configuration string
}

// Supports reports whether the engine can honour d, as an ErrUnsupported with the reason if not.
func (i Info) Supports(d Durability) error {
	if err := d.Validate(); err != nil {
		return fmt.Errorf("%w: %v", ErrInvalid, err)
	}
	for _, c := range i.Classes {
		if c == d.Class {
			return nil
		}
	}
	why := i.WhyNot[d.Class]
	if why == "" {
		why = "the engine does not offer this class"
	}
	return fmt.Errorf("%w: %s under durability %s: %s", ErrUnsupported, i.Name, d.Class, why)
}

// Capabilities names the optional interfaces that e implements, for results.
func Capabilities(e Engine) []string {
	var names []string
	add := func(name string, ok bool) {
		if ok {
			names = append(names, name)
		}
	}
	_, ok := e.(LeaseRenewer)
	add("lease_renewer", ok)
	_, ok = e.(Viewer)
	add("viewer", ok)
	_, ok = e.(Snapshotter)
	add("snapshotter", ok)
	_, ok = e.(Checkpointer)
	add("checkpointer", ok)
	_, ok = e.(Lender)
	add("lender", ok)
	_, ok = e.(Spanner)
	add("spanner", ok)
	return names
}
