package engines

import (
	"fmt"
	"strings"
	"time"
)

// Class is a durability class: it names the failure that an acknowledged
// commit survives.
type Class uint8

// The classes, weakest first.
const (
	None     Class = iota // lost with the process
	Process               // survives kill -9 of the process, not a power cut
	Interval              // loses at most the last Window on kill -9 or power cut
	Sync                  // survives a power cut once acknowledged
)

var classNames = [...]string{"none", "process", "interval", "sync"}

// Classes returns every class, weakest first.
func Classes() []Class { return []Class{None, Process, Interval, Sync} }

// String returns the name used on the command line and in results.
func (c Class) String() string {
	if int(c) >= len(classNames) {
		return fmt.Sprintf("class(%d)", uint8(c))
	}
	return classNames[c]
}

// Durability is a class and, for Interval, its window.
// The zero value is class None.
type Durability struct {
	Class  Class
	Window time.Duration // Interval only: the most that a failure may lose; > 0
}

// ParseDurability reads "none", "process", "sync" or "interval:10ms".
func ParseDurability(s string) (Durability, error) {
	name, window, hasWindow := strings.Cut(s, ":")
	for i, n := range classNames {
		if n != name {
			continue
		}
		d := Durability{Class: Class(i)}
		if hasWindow != (d.Class == Interval) {
			break
		}
		if hasWindow {
			w, err := time.ParseDuration(window)
			if err != nil || w <= 0 {
				return Durability{}, fmt.Errorf("durability %q: %q is no positive duration such as 10ms", s, window)
			}
			d.Window = w
		}
		return d, nil
	}
	return Durability{}, fmt.Errorf("durability %q: want none, process, interval:DURATION (such as interval:10ms) or sync", s)
}

// String returns the form that ParseDurability reads.
func (d Durability) String() string {
	if d.Class == Interval {
		return d.Class.String() + ":" + d.Window.String()
	}
	return d.Class.String()
}

// Validate reports whether d is well formed.
func (d Durability) Validate() error {
	switch {
	case d.Class > Sync:
		return fmt.Errorf("durability: unknown class %d", d.Class)
	case d.Class == Interval && d.Window <= 0:
		return fmt.Errorf("durability: interval wants a window above 0")
	case d.Class != Interval && d.Window != 0:
		return fmt.Errorf("durability: class %s takes no window", d.Class)
	}
	return nil
}

// MarshalText writes the form that ParseDurability reads.
func (d Durability) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText is ParseDurability.
func (d *Durability) UnmarshalText(text []byte) (err error) {
	*d, err = ParseDurability(string(text))
	return err
}
