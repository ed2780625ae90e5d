// Command orbitbench compares persistence engines for actor leases: it runs
// the same lease-renewal load on each of them, in a process of its own, and
// prints a table that says for each durability class what a write, a read, a
// recovery and a million leases cost on this machine.
//
// One file holds one verb. run (in root.go) takes everything that a verb needs
// from its arguments, and only main exits.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

// version is set by the linker (see the Makefile); without it the module's own
// version is used.
var version string

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// After the first signal the next one takes its usual course and ends the
	// program at once; the children die with it.
	context.AfterFunc(ctx, stop)
	os.Exit(run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}
