package main

import (
	"fmt"
	"strings"

	"orbitbench/engines"
	"orbitbench/engines/all"
	"orbitbench/engines/mutants/paperlog"
	"orbitbench/harness/crash"
)

// crashConfigs make a store of a few hundred records meet what one of millions
// meets: segments that end, logs that are cut, memtables that are flushed. All
// else is as in a comparison.
var crashConfigs = map[string]map[string]any{
	"appendlog":  {"segment_bytes": 256 << 10, "snapshot_log_bytes": 512 << 10},
	"actorstore": {"segment_bytes": 256 << 10, "checkpoint_log_bytes": 512 << 10},
	"cowbtree":   {"segment_bytes": 256 << 10, "checkpoint_log_bytes": 512 << 10},
	"mmapwal":    {"segment_bytes": 256 << 10, "checkpoint_log_bytes": 512 << 10, "extent_bytes": 2 << 20},
	"pebble":     {"memtable_size": 256 << 10},
	"rocksdb":    {"write_buffer_size": 256 << 10},
	"lmdb":       {"map_size": 64 << 20},
	"sqlite":     {"wal_autocheckpoint": 64},
}

// crashConfig is that of an engine. The control and the mutants share one.
func crashConfig(name string) map[string]any {
	if strings.HasPrefix(name, paperlog.Name) {
		return map[string]any{"log_bytes": 128 << 10}
	}
	return crashConfigs[name]
}

// crashTargets are the engines that are asked for, under every class that they offer.
// No names are all engines of the comparison.
func crashTargets(names, classes []string) ([]crash.Target, error) {
	var drivers []engines.Driver
	for _, d := range all.Drivers() {
		if info := d.Info(); len(names) == 0 && !info.Optional && info.Role != engines.Baseline {
			drivers = append(drivers, d)
		}
	}
	for _, name := range names {
		if name == "mutants" {
			drivers = append(drivers, all.Mutants()...)
			continue
		}
		d, err := all.Lookup(name)
		if err != nil {
			return nil, err
		}
		drivers = append(drivers, d)
	}
	var targets []crash.Target
	for _, d := range drivers {
		before, why := len(targets), error(nil)
		for _, c := range classes {
			durability, err := engines.ParseDurability(c)
			if err != nil {
				return nil, err
			}
			t := crash.Target{Info: d.Info(), Engine: d.Info().Name, Durability: durability, Config: crashConfig(d.Info().Name)}
			if _, err := d.Configure(engines.Options{Durability: durability, Config: t.Config}); err != nil {
				why = err
				continue
			}
			targets = append(targets, t)
		}
		if len(targets) == before && len(names) > 0 {
			return nil, fmt.Errorf("nothing to test of %s: %w", d.Info().Name, why)
		}
	}
	return targets, nil
}
