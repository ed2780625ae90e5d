package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"strings"

	"orbitbench/engines"
	"orbitbench/engines/all"
	"orbitbench/harness/crash"
)

// setOptions adds options of the form ENGINE.NAME=VALUE to the targets. A value is
// JSON, or else a string. An engine that is not among the targets is an error, and
// so is what the engine does not take.
func setOptions(targets []crash.Target, options []string) error {
	for _, o := range options {
		path, text, hasValue := strings.Cut(o, "=")
		engine, name, hasName := strings.Cut(path, ".")
		if !hasValue || !hasName || engine == "" || name == "" {
			return fmt.Errorf("--set %q: want ENGINE.NAME=VALUE, such as bbolt.sync_parent_dir=true", o)
		}
		var value any
		if json.Unmarshal([]byte(text), &value) != nil {
			value = text
		}
		met := false
		for i := range targets {
			if t := &targets[i]; t.Engine == engine {
				config := maps.Clone(t.Config)
				if config == nil {
					config = map[string]any{}
				}
				config[name] = value
				t.Config, met = config, true
			}
		}
		if !met {
			return fmt.Errorf("--set %q: %s is not among the engines that are tested", o, engine)
		}
	}
	for i := range targets {
		t := &targets[i]
		d, err := all.Lookup(t.Engine)
		if err != nil {
			return err
		}
		if _, err := d.Configure(engines.Options{Durability: t.Durability, Config: t.Config}); err != nil {
			return err
		}
	}
	return nil
}
