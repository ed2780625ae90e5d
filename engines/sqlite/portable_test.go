package sqlite

import (
	"errors"
	"testing"
	"time"

	"orbitbench/engines"
)

func TestConfigureRefuses(t *testing.T) {
	for name, value := range map[string]any{
		"page_size": 1000, "writer_cache_size": 1, "reader_cache_size": -1, "wal_autocheckpoint": -1, "mmap_size": -1,
		"version_stride": 0, "journal_mode": "delete", "synchronous": "extra", "log_sync": "sometimes", "no_such_option": 1,
	} {
		if _, err := configure(engines.Options{Config: map[string]any{name: value}}); !errors.Is(err, engines.ErrInvalid) {
			t.Errorf("%s = %v: %v, want ErrInvalid", name, value, err)
		}
	}
}

func TestClassesFollow(t *testing.T) {
	for class, want := range map[engines.Durability]string{
		{}:                       "off",
		{Class: engines.Process}: "normal",
		{Class: engines.Interval, Window: time.Second}: "normal",
		{Class: engines.Sync}:                          "full",
	} {
		c, err := configure(engines.Options{Durability: class})
		if err != nil || c.Synchronous != want {
			t.Errorf("%s: synchronous = %q, %v, want %s", class, c.Synchronous, err, want)
		}
	}
}
