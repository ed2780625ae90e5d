package adapter

import (
	"context"
	"fmt"

	"orbitbench/engines"
)

// Effective returns what a Configure returns, of the configuration that the
// adapter itself uses.
func Effective[C any](c *C, err error) (any, error) {
	if err != nil {
		return nil, err
	}
	return *c, nil
}

// Open is the Open of a Driver: it configures, prepares the directory (see
// PrepareDir) and has open open what is in it.
func Open[C any](ctx context.Context, name string, o engines.Options, configure func(engines.Options) (*C, error), open func(dir string, c *C) (engines.Engine, error)) (engines.Engine, error) {
	c, err := configure(o)
	if err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	dir, err := PrepareDir(o.Dir)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	e, err := open(dir, c)
	if err != nil {
		return nil, fmt.Errorf("%s: opening %s: %w", name, o.Dir, err)
	}
	return e, nil
}
