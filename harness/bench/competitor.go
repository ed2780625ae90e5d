package bench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"orbitbench/engines"
)

// competitor is one engine under one durability with one store size. It stays
// open from before the first round to after the last.
type competitor struct {
	name   string
	info   engines.Info
	dur    engines.Durability
	engine engines.Engine
	native engines.LeaseRenewer // nil: the generic path
	actors *actors
	zipf   []uint32
	dir    string
	seed   uint64

	warmBytes int // most that a warm-up rewrites
}

// openCompetitor opens the driver's engine in a directory of its own under
// o.DataDir and loads it. Errors of the engine name it.
func openCompetitor(ctx context.Context, o Options, d engines.Driver, dur engines.Durability, actorCount int) (*competitor, error) {
	c := &competitor{name: d.Info().Name, info: d.Info(), dur: dur, seed: o.Seed, warmBytes: o.warmBytes}
	if err := c.open(ctx, o, d, actorCount); err != nil {
		return nil, errors.Join(fmt.Errorf("%s under %s with %d actors: %w", c.name, dur, actorCount, err), c.close())
	}
	return c, nil
}

func (c *competitor) open(ctx context.Context, o Options, d engines.Driver, actorCount int) (err error) {
	c.dir, err = os.MkdirTemp(o.DataDir, "bench-"+c.name+"-"+c.dur.Class.String()+"-")
	if err != nil {
		return err
	}
	c.engine, err = d.Open(ctx, engines.Options{Dir: filepath.Join(c.dir, "store"), Durability: c.dur})
	if err != nil {
		return err
	}
	c.native, _ = c.engine.(engines.LeaseRenewer)
	c.actors = newActors(actorCount, o.Seed, time.Now())
	if o.ZipfS != 0 {
		c.zipf = zipfList(actorCount, o.ZipfS, o.Seed)
	}
	return c.put(ctx, nil)
}

// put writes every record, in batches.
func (c *competitor) put(ctx context.Context, stop func() bool) error {
	return c.actors.put(func(b *engines.Batch) error { return c.engine.Apply(ctx, b) }, stop)
}

func (c *competitor) path() string {
	if c.native != nil {
		return "native"
	}
	return "generic"
}

// close closes the engine and removes its directory.
func (c *competitor) close() error {
	var err error
	if c.engine != nil {
		err = c.engine.Close()
	}
	if c.dir != "" {
		err = errors.Join(err, os.RemoveAll(c.dir))
	}
	return err
}
