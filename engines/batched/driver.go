package batched

import (
	"context"
	"fmt"
	"time"

	"orbitbench/engines"
	"orbitbench/engines/adapter"
)

// Suffix is added to the name of the engine within.
const Suffix = "+batch"

// Config is the effective configuration.
type Config struct {
	// WaitShare bounds the wait for a full cohort, as a share of the mean time of
	// a write. Default 0.6; 0 never waits.
	WaitShare float64 `json:"wait_share"`
	// WaitLimit is the cohort size above which the leader does not wait, because
	// finding so many takes longer than it saves. Default 128.
	WaitLimit int `json:"wait_limit"`
	// Inner is the effective configuration of the engine within. Given as an
	// option it is a table of that engine's options.
	Inner any `json:"inner"`
}

// options are the names that Options.Config may hold; nil takes the default.
type options struct {
	WaitShare *float64       `json:"wait_share"`
	WaitLimit *int           `json:"wait_limit"`
	Inner     map[string]any `json:"inner"`
}

const (
	defaultWaitShare = 0.6
	defaultWaitLimit = 128
)

// New returns a driver for a batcher in front of inner. It verifies closed
// stores if inner does.
func New(inner engines.Driver) engines.Driver {
	d := driver{inner}
	if v, ok := inner.(engines.Verifier); ok {
		return verifyingDriver{d, v}
	}
	return d
}

type driver struct{ inner engines.Driver }

// verifyingDriver is in front of a driver that verifies.
type verifyingDriver struct {
	driver
	engines.Verifier
}

// Info describes the batcher in front of the engine within.
func (d driver) Info() engines.Info {
	i := d.inner.Info()
	return engines.Info{
		Name:    i.Name + Suffix,
		Title:   i.Title + ", batched",
		Role:    engines.Yardstick,
		Summary: fmt.Sprintf("%s behind an application-level batcher: one bulk write for all commits that wait at the same time.", i.Title),
		Module:  i.Module,
		Package: i.Package + " orbitbench/engines/batched",
		Cgo:     i.Cgo,
		Classes: i.Classes,
		WhyNot:  i.WhyNot,

		Optional:             true,
		RecyclesLog:          i.RecyclesLog,
		VisibleBeforeDurable: i.VisibleBeforeDurable,
		QueryCacheEvicts:     i.QueryCacheEvicts,
		TimeSeriesAppendOnly: i.TimeSeriesAppendOnly,
		Configuration: "The batcher waits for as many commits as its last cohort held, at most 0.6 of the mean write time and not above 128 commits, " +
			"which gave the most throughput from 1 to 256 writers. The engine within: " + i.Configuration,
	}
}

// Configure checks o; see engines.Driver.
func (d driver) Configure(o engines.Options) (any, error) {
	c, _, err := d.configure(o)
	if err != nil {
		return nil, err
	}
	return c, nil
}

// configure returns the effective configuration and the options for the engine within.
func (d driver) configure(o engines.Options) (Config, engines.Options, error) {
	if err := d.Info().Supports(o.Durability); err != nil {
		return Config{}, o, err
	}
	var own options
	if err := o.DecodeConfig(&own); err != nil {
		return Config{}, o, err
	}
	c := Config{WaitShare: defaultWaitShare, WaitLimit: defaultWaitLimit}
	if own.WaitShare != nil {
		c.WaitShare = *own.WaitShare
	}
	if own.WaitLimit != nil {
		c.WaitLimit = *own.WaitLimit
	}
	if c.WaitShare < 0 || c.WaitShare > 1 {
		return c, o, fmt.Errorf("%w: wait_share %v, want 0 to 1", engines.ErrInvalid, c.WaitShare)
	}
	if c.WaitLimit < 0 {
		return c, o, fmt.Errorf("%w: wait_limit %d, want 0 or more", engines.ErrInvalid, c.WaitLimit)
	}
	o.Config = own.Inner
	inner, err := d.inner.Configure(o)
	c.Inner = inner
	return c, o, err
}

// Open opens the engine within; see engines.Driver.
func (d driver) Open(ctx context.Context, o engines.Options) (engines.Engine, error) {
	c, innerOptions, err := d.configure(o)
	if err != nil {
		return nil, err
	}
	inner, err := d.inner.Open(ctx, innerOptions)
	if err != nil {
		return nil, err
	}
	e := &engine{inner: inner, config: c, gate: adapter.NewGate()}
	e.native, _ = inner.(engines.LeaseRenewer)
	e.requests.New = func() any { return &request{wake: make(chan bool, 1)} }
	e.cohort.init()
	e.queue.meanWrite.Store(int64(50 * time.Microsecond))
	return declare(e), nil
}
