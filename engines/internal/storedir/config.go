package storedir

import (
	"fmt"

	"orbitbench/engines"
)

// OrDefault gives a field of a configuration its default if it is zero.
func OrDefault[T comparable](field *T, def T) {
	var zero T
	if *field == zero {
		*field = def
	}
}

// Bad is the engines.ErrInvalid of a value of a configuration.
func Bad(name string, got any, want string) error {
	return fmt.Errorf("%w: %s = %v, want %s", engines.ErrInvalid, name, got, want)
}
