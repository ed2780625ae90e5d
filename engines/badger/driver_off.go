//go:build !badger

package badger

import (
	"context"
	"fmt"

	"orbitbench/engines"
)

// Driver describes Badger; this build cannot open it.
type Driver struct{}

var errNotBuilt = fmt.Errorf("%w: built without Badger: build with -tags badger", engines.ErrUnsupported)

// Info describes the engine.
func (Driver) Info() engines.Info { return info }

// Configure returns ErrUnsupported, unless o itself is wrong.
func (Driver) Configure(o engines.Options) (any, error) {
	if _, err := configure(o); err != nil {
		return nil, err
	}
	return nil, errNotBuilt
}

// Open returns ErrUnsupported, unless o itself is wrong.
func (d Driver) Open(_ context.Context, o engines.Options) (engines.Engine, error) {
	_, err := d.Configure(o)
	return nil, err
}
