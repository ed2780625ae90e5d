// Package all is the explicit list of engines. Adding an engine takes its
// folder under engines/ and one line here.
package all

import (
	"fmt"
	"strings"

	"orbitbench/engines"
	"orbitbench/engines/actorstore"
	"orbitbench/engines/appendlog"
	"orbitbench/engines/badger"
	"orbitbench/engines/batched"
	"orbitbench/engines/bbolt"
	"orbitbench/engines/cowbtree"
	"orbitbench/engines/lmdb"
	"orbitbench/engines/memory"
	"orbitbench/engines/mmapwal"
	"orbitbench/engines/mutants/paperlog"
	"orbitbench/engines/noop"
	"orbitbench/engines/pebble"
	"orbitbench/engines/rocksdb"
	"orbitbench/engines/sqlite"
)

// Drivers returns every engine, in the order in which tables show them.
func Drivers() []engines.Driver {
	return []engines.Driver{
		appendlog.Driver{},
		actorstore.Driver{},
		cowbtree.Driver{},
		mmapwal.Driver{},
		rocksdb.Driver{},
		pebble.Driver{},
		bbolt.Driver{},
		batched.New(rocksdb.Driver{}),
		batched.New(pebble.Driver{}),
		batched.New(bbolt.Driver{}),
		lmdb.Driver{},
		batched.New(lmdb.Driver{}),
		sqlite.Driver{},
		batched.New(sqlite.Driver{}),
		badger.Driver{},
		memory.Driver{},
		noop.Driver{},
	}
}

// Mutants returns the control of the crash suite and the engines broken on
// purpose that it must find. They are no part of Drivers; Lookup knows them.
func Mutants() []engines.Driver {
	var all []engines.Driver
	for _, d := range paperlog.Drivers() {
		all = append(all, d)
	}
	return all
}

// Lookup returns the driver of that name, or an error that lists the names of Drivers.
func Lookup(name string) (engines.Driver, error) {
	if strings.HasPrefix(name, paperlog.Name) {
		for _, d := range Mutants() {
			if d.Info().Name == name {
				return d, nil
			}
		}
	}
	var names []string
	for _, d := range Drivers() {
		if d.Info().Name == name {
			return d, nil
		}
		names = append(names, d.Info().Name)
	}
	return nil, fmt.Errorf("unknown engine %q, want one of %s", name, strings.Join(names, ", "))
}
