package adapter

import "fmt"

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
