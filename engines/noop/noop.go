// Package noop is an engine that does nothing: it measures the harness.
//
// Every call succeeds at once, keeps nothing and allocates nothing. Every key
// has version 1, and every record of keyspace Leases is a lease that never
// expires and that nobody holds, so that renewals and acquisitions through the
// directory take their ordinary path to its end. It does not satisfy the
// contract's semantics, does not run the conformance suite, and is never ranked.
package noop

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"

	"orbitbench/engines"
	"orbitbench/engines/lease"
)

// Driver opens engines of this package.
type Driver struct{}

// Info describes the engine.
func (Driver) Info() engines.Info {
	const why = "the engine keeps nothing"
	return engines.Info{
		Name:    "noop",
		Title:   "No-op (harness overhead)",
		Role:    engines.Baseline,
		Summary: "Accepts every call and keeps nothing; what it costs is the cost of the harness.",
		Module:  "orbitbench",
		Package: "orbitbench/engines/noop",
		Classes: []engines.Class{engines.None},
		WhyNot: map[engines.Class]string{
			engines.Process:  why,
			engines.Interval: why,
			engines.Sync:     why,
		},
		Configuration: "It has no options.",
	}
}

// Config is the effective configuration: there is nothing to configure.
type Config struct{}

// Configure accepts class None without options.
func (d Driver) Configure(o engines.Options) (any, error) {
	var c Config
	if err := d.Info().Supports(o.Durability); err != nil {
		return nil, err
	}
	if err := o.DecodeConfig(&c); err != nil {
		return nil, err
	}
	return c, nil
}

// Open creates o.Dir if it is missing and leaves it empty.
func (d Driver) Open(ctx context.Context, o engines.Options) (engines.Engine, error) {
	if _, err := d.Configure(o); err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := os.Mkdir(o.Dir, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("noop: %w", err)
	}
	free := lease.Lease{ExpiresAt: math.MaxInt64}
	record, err := free.AppendBinary(nil)
	if err != nil {
		return nil, fmt.Errorf("noop: %w", err)
	}
	return &Engine{record: record}, nil
}

// Engine does nothing. It does not even notice that it is closed.
type Engine struct{ record []byte }

var _ engines.LeaseRenewer = (*Engine)(nil)

// Apply sets the Assigned versions, which callers rely on, and nothing else.
func (*Engine) Apply(_ context.Context, b *engines.Batch) error {
	for i := range b.Ops {
		b.Ops[i].Assigned = 1
	}
	return nil
}

// Get returns the lease that nobody holds for a key of Leases and ErrNotFound for any other.
func (e *Engine) Get(_ context.Context, ks engines.Keyspace, _, dst []byte) ([]byte, engines.Version, error) {
	if ks != engines.Leases {
		return dst, 0, engines.ErrNotFound
	}
	return append(dst, e.record...), 1, nil
}

// Scan finds no record.
func (*Engine) Scan(context.Context, engines.Keyspace, []byte, []byte, func(key, value []byte, v engines.Version) error) error {
	return nil
}

// RenewLease grants version 1.
func (*Engine) RenewLease(context.Context, []byte, engines.Version, lease.Renewal) (engines.Version, error) {
	return 1, nil
}

// Stats returns nothing.
func (*Engine) Stats() engines.Stats { return engines.Stats{} }

// Close does nothing.
func (*Engine) Close() error { return nil }
