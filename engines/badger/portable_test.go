package badger

import (
	"errors"
	"testing"

	"orbitbench/engines"
)

func TestConfigureRefuses(t *testing.T) {
	for name, value := range map[string]any{
		"block_cache_size": 1, "mem_table_size": 1 << 20, "num_memtables": 0, "num_compactors": 1, "value_threshold": 1 << 21,
		"version_stride": 0, "sync_writes": true, "no_such_option": 1,
	} {
		if _, err := configure(engines.Options{Config: map[string]any{name: value}}); !errors.Is(err, engines.ErrInvalid) {
			t.Errorf("%s = %v: %v, want ErrInvalid", name, value, err)
		}
	}
}
