package adapter

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"orbitbench/engines"
)

func TestMapError(t *testing.T) {
	full := &fs.PathError{Op: "write", Path: "x", Err: syscall.ENOSPC}
	if err := MapError(full); !errors.Is(err, engines.ErrFull) || !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("ENOSPC becomes %v", err)
	}
	if err := MapError(syscall.EIO); err != syscall.EIO {
		t.Errorf("EIO becomes %v", err)
	}
	if err := MapError(nil); err != nil {
		t.Errorf("nil becomes %v", err)
	}
}

func TestPrepareDir(t *testing.T) {
	base := t.TempDir()
	real := filepath.Join(base, "store")
	got, err := PrepareDir(real)
	if err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(base, "link")
	if err := os.Symlink(real, link); err != nil {
		t.Fatal(err)
	}
	if again, err := PrepareDir(link); err != nil || again != got {
		t.Errorf("through a link: %q, %v, want %q", again, err, got)
	}
	file := filepath.Join(base, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for dir, want := range map[string]error{
		"": engines.ErrInvalid, file: engines.ErrInvalid, filepath.Join(base, "no", "parent"): fs.ErrNotExist,
	} {
		if _, err := PrepareDir(dir); !errors.Is(err, want) {
			t.Errorf("PrepareDir(%q): %v, want %v", dir, err, want)
		}
	}
	if err := VacantDir(file); !errors.Is(err, engines.ErrInvalid) {
		t.Errorf("VacantDir of a file: %v, want ErrInvalid", err)
	}
	if _, err := os.Stat(file); err != nil {
		t.Errorf("VacantDir removed a file: %v", err)
	}
	if err := VacantDir(base); !errors.Is(err, engines.ErrInvalid) {
		t.Errorf("VacantDir of a directory in use: %v, want ErrInvalid", err)
	}
}

func TestTold(t *testing.T) {
	if err := errors.Join(Told("wal", "", "on"), Told("wal", "on", "on")); err != nil {
		t.Error(err)
	}
	if Told("wal", "off", "on") == nil {
		t.Error("a value that is told can be chosen")
	}
}
