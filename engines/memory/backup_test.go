package memory

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"orbitbench/engines"
)

var ctx = context.Background()

func openWith(t *testing.T, dir string, config map[string]any) *Engine {
	t.Helper()
	e, err := Driver{}.Open(ctx, engines.Options{Dir: dir, Config: config, Logf: t.Logf})
	if err != nil {
		t.Fatal(err)
	}
	return e.(*Engine)
}

func closeEngine(t *testing.T, e engines.Engine) {
	t.Helper()
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
}

func put(t *testing.T, e engines.Engine, key, value string) engines.Version {
	t.Helper()
	var b engines.Batch
	b.Put(engines.Leases, []byte(key), []byte(value))
	if err := e.Apply(ctx, &b); err != nil {
		t.Fatal(err)
	}
	return b.Ops[0].Assigned
}

func wantRecord(t *testing.T, e engines.Engine, key, value string, v engines.Version) {
	t.Helper()
	got, have, err := e.Get(ctx, engines.Leases, []byte(key), nil)
	if err != nil || string(got) != value || (v != 0 && have != v) {
		t.Errorf("%s: %q at version %d, %v, want %q at %d", key, got, have, err, value, v)
	}
}

func TestBackupAtClose(t *testing.T) {
	for _, compression := range []string{"gzip", "none"} {
		dir := filepath.Join(t.TempDir(), "store")
		config := map[string]any{"enable_disk_backup": true, "compression": compression}
		e := openWith(t, dir, config)
		versions := make(map[string]engines.Version)
		for i := range 1000 {
			k := fmt.Sprintf("key-%04d", i%700)
			versions[k] = put(t, e, k, strings.Repeat(k, i%9))
		}
		closeEngine(t, e)
		e = openWith(t, dir, config)
		for i := 300; i < 1000; i++ {
			k := fmt.Sprintf("key-%04d", i%700)
			wantRecord(t, e, k, strings.Repeat(k, i%9), versions[k])
		}
		if st := e.Stats(); st.Records != 700 || st.ReplayedRecords != 700 {
			t.Errorf("%s: %d records, %d replayed, want 700", compression, st.Records, st.ReplayedRecords)
		}
		// After a clean close versions go on where they were.
		if v := put(t, e, "key-0001", "x"); v != versions["key-0001"]+1 {
			t.Errorf("%s: version %d after %d", compression, v, versions["key-0001"])
		}
		closeEngine(t, e)
	}
}

// TestBackupIsOld opens a store whose last backup lacks commits, as after a
// kill: what it lacks is lost, but no version is granted twice.
func TestBackupIsOld(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "store")
	config := map[string]any{"enable_disk_backup": true}
	e := openWith(t, dir, config)
	put(t, e, "key", "backed up")
	v := e.newView()
	if err := e.writeBackup(ctx, v, e.config.backupFile(dir), 0); err != nil {
		t.Fatal(err)
	}
	last := put(t, e, "key", "lost")
	gone := put(t, e, "gone", "lost")
	// A copy of the directory is what a kill at this moment would leave.
	killed := filepath.Join(t.TempDir(), "killed")
	if err := os.CopyFS(killed, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	if err := v.Close(); err != nil {
		t.Fatal(err)
	}
	closeEngine(t, e)
	for round := range 3 {
		e = openWith(t, killed, config)
		if round == 0 {
			wantRecord(t, e, "key", "backed up", 0)
		}
		if v := put(t, e, "key", "again"); v <= last {
			t.Errorf("version %d was granted again (%d before)", v, last)
		} else {
			last = v
		}
		if v := put(t, e, "gone", "again"); v <= gone {
			t.Errorf("version %d of a lost record was granted again (%d before)", v, gone)
		} else {
			gone = v
		}
		closeEngine(t, e)
	}
}

func TestBackupWhileRunning(t *testing.T) {
	dir, file := filepath.Join(t.TempDir(), "store"), filepath.Join(t.TempDir(), "elsewhere")
	e := openWith(t, dir, map[string]any{"backup_path": file})
	put(t, e, "key", "value")
	e.startBackups(time.Millisecond)
	deadline := time.Now().Add(2 * time.Minute)
	for e.Stats().Checkpoints < 3 {
		if time.Now().After(deadline) {
			t.Fatal("no backups are written")
		}
		put(t, e, "key", "value")
	}
	closeEngine(t, e)
	e = openWith(t, dir, map[string]any{"backup_path": file})
	wantRecord(t, e, "key", "value", 0)
	closeEngine(t, e)
}

func TestMaxEntries(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "store")
	e := openWith(t, dir, map[string]any{"max_entries": 3, "enable_disk_backup": true})
	var b engines.Batch
	for _, k := range []string{"a", "b", "c"} {
		put(t, e, k, "x")
	}
	b.Put(engines.Leases, []byte("a"), []byte("changed"))
	b.Put(engines.Index, []byte("d"), nil)
	if err := e.Apply(ctx, &b); !errors.Is(err, engines.ErrFull) {
		t.Errorf("fourth record: %v, want ErrFull", err)
	}
	wantRecord(t, e, "a", "x", 0)
	put(t, e, "a", "y") // no new record
	b.Reset()
	b.Delete(engines.Leases, []byte("a"))
	b.Put(engines.Index, []byte("d"), nil)
	if err := e.Apply(ctx, &b); err != nil {
		t.Errorf("one goes, one comes: %v", err)
	}
	closeEngine(t, e)
	_, err := Driver{}.Open(ctx, engines.Options{Dir: dir, Config: map[string]any{"max_entries": 2}})
	if !errors.Is(err, engines.ErrFull) {
		t.Errorf("Open of 3 records with max_entries 2: %v, want ErrFull", err)
	}
	e = openWith(t, dir, nil) // the failed Open released the lock
	closeEngine(t, e)
}

func TestConfigureRefuses(t *testing.T) {
	for name, bad := range map[string]any{
		"max_entries": -1, "sync_interval": 0, "compression": "lzma", "backup_path": "",
		"enable_disk_backup": "yes",
	} {
		if _, err := (Driver{}).Configure(engines.Options{Config: map[string]any{name: bad}}); !errors.Is(err, engines.ErrInvalid) {
			t.Errorf("%s = %v: %v, want ErrInvalid", name, bad, err)
		}
	}
}

// TestDamageIsTold flips and cuts bytes of a backup: Open must say corrupt and
// name the file, and never open with other records.
func TestDamageIsTold(t *testing.T) {
	for _, compression := range []string{"gzip", "none"} {
		dir := filepath.Join(t.TempDir(), "store")
		config := map[string]any{"enable_disk_backup": true, "compression": compression}
		e := openWith(t, dir, config)
		for i := range 6 {
			put(t, e, fmt.Sprintf("key-%d", i), "value")
		}
		closeEngine(t, e)
		file := filepath.Join(dir, backupName)
		good, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		damage := func(what string, bytes []byte) {
			t.Helper()
			if err := os.WriteFile(file, bytes, 0o644); err != nil {
				t.Fatal(err)
			}
			opened, err := Driver{}.Open(ctx, engines.Options{Dir: dir, Config: config})
			var corrupt *engines.CorruptError
			if !errors.As(err, &corrupt) || corrupt.File != file {
				t.Errorf("%s, %s: %v, want a CorruptError of %s", compression, what, err, file)
			}
			if err == nil {
				closeEngine(t, opened)
			}
		}
		for at := 0; at < len(good); at += 2 {
			if compression == "gzip" && at >= headerBytes+3 && at < headerBytes+10 {
				continue // time and system of the gzip header, which say nothing
			}
			bad := append([]byte(nil), good...)
			bad[at] ^= 0x10
			damage(fmt.Sprintf("bit of byte %d flipped", at), bad)
			if at%14 == 0 {
				damage(fmt.Sprintf("cut at %d", at), good[:at])
			}
		}
		damage("bytes behind the end", append(append([]byte(nil), good...), 0))
		if err := os.WriteFile(file, good, 0o644); err != nil {
			t.Fatal(err)
		}
		closeEngine(t, openWith(t, dir, config))
	}
}

func TestGenerationDamaged(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "store")
	closeEngine(t, openWith(t, dir, nil))
	for _, text := range []string{"", "x\n", "12", "-1\n", "99999999999999999999\n", "1\n\n"} {
		if err := os.WriteFile(filepath.Join(dir, generationName), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := (Driver{}).Open(ctx, engines.Options{Dir: dir}); !errors.Is(err, engines.ErrCorrupt) {
			t.Errorf("generation %q: %v, want ErrCorrupt", text, err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, generationName), []byte("16777215\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := (Driver{}).Open(ctx, engines.Options{Dir: dir}); !errors.Is(err, engines.ErrFull) {
		t.Errorf("last generation: %v, want ErrFull", err)
	}
}
