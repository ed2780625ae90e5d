package adapter

import (
	"cmp"
	"fmt"

	"orbitbench/engines"
)

// Decode begins a Configure: it checks what every adapter checks of o and
// decodes o.Config over the defaults in dst. Errors are those of Configure.
func Decode(info engines.Info, o engines.Options, dst any) error {
	if err := info.Supports(o.Durability); err != nil {
		return err
	}
	if o.MemoryBytes < 0 {
		return fmt.Errorf("%w: %s: memory budget of %d bytes, want 0 (default) or more", engines.ErrInvalid, info.Name, o.MemoryBytes)
	}
	if err := o.DecodeConfig(dst); err != nil {
		return fmt.Errorf("%s: %w", info.Name, err)
	}
	return nil
}

// Judge ends a Configure: it returns the first of the errors that is not nil,
// as an ErrInvalid that names the engine.
func Judge(info engines.Info, errs ...error) error {
	if err := cmp.Or(errs...); err != nil {
		return fmt.Errorf("%w: %s: %v", engines.ErrInvalid, info.Name, err)
	}
	return nil
}

// Within returns an error unless a number of a configuration is in its bounds,
// both included.
func Within(name string, have, low, top int64) error {
	if have < low || have > top {
		return fmt.Errorf("%s is %d, want %d to %d", name, have, low, top)
	}
	return nil
}

// Told checks a value of the configuration that is told and not chosen: it may
// be absent (the zero value) or must be what follows from the rest, so that an
// effective configuration can be given back as it is.
func Told[T comparable](name string, given, follows T) error {
	var zero T
	if given == zero || given == follows {
		return nil
	}
	return fmt.Errorf("%s cannot be chosen: it is %v here, not %v", name, follows, given)
}
