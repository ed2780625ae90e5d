//go:build !badger

package badger

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"orbitbench/engines"
)

func TestBuiltWithout(t *testing.T) {
	o := engines.Options{Dir: filepath.Join(t.TempDir(), "s"), Durability: engines.Durability{Class: engines.Sync}}
	_, err := Driver{}.Open(context.Background(), o)
	if !errors.Is(err, engines.ErrUnsupported) || !strings.Contains(err.Error(), "-tags badger") {
		t.Errorf("Open: %v, want ErrUnsupported that says how to build", err)
	}
	if _, err := os.Stat(o.Dir); err == nil {
		t.Error("Open made the directory")
	}
	o.Config = map[string]any{"no_such_option": 1}
	if _, err := (Driver{}).Configure(o); !errors.Is(err, engines.ErrInvalid) {
		t.Errorf("Configure with an unknown option: %v, want ErrInvalid", err)
	}
	if (Driver{}).Info().Name != "badger" {
		t.Error("Info is not the same in both builds")
	}
}
