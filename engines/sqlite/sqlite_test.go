//go:build sqlite && cgo

package sqlite

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"orbitbench/engines"
	"orbitbench/engines/lease"
)

var background = context.Background()

func openTest(t *testing.T, o engines.Options) *engine {
	t.Helper()
	e, err := Driver{}.Open(background, o)
	if err != nil {
		t.Fatal(err)
	}
	return e.(*engine)
}

func fill(t *testing.T, e engines.Engine, from, to int) {
	t.Helper()
	var b engines.Batch
	for i := from; i < to; i++ {
		b.Put(engines.Leases, fmt.Appendf(nil, "actor-%06d", i), bytes.Repeat([]byte{byte(i)}, 200))
	}
	if err := e.Apply(background, &b); err != nil {
		t.Fatal(err)
	}
}

// TestOneCrossingPerRenewal counts the calls of C.
func TestOneCrossingPerRenewal(t *testing.T) {
	e := openTest(t, engines.Options{Dir: filepath.Join(t.TempDir(), "s"), Durability: engines.Durability{Class: engines.Process}})
	defer e.Close()
	l := lease.New("node", 0, time.Hour, nil)
	record, err := l.AppendBinary(nil)
	if err != nil {
		t.Fatal(err)
	}
	var b engines.Batch
	b.Put(engines.Leases, []byte("actor"), record)
	if err := e.Apply(background, &b); err != nil {
		t.Fatal(err)
	}
	v, before := b.Ops[0].Assigned, runtime.NumCgoCall()
	for range 10 {
		if v, err = e.RenewLease(background, []byte("actor"), v, lease.Renewal{ExpiresAt: 1 << 60, Now: 1}); err != nil {
			t.Fatal(err)
		}
	}
	if n := runtime.NumCgoCall() - before; n != 10 {
		t.Errorf("%d crossings for 10 renewals, want one each", n)
	}
	if _, err = e.RenewLease(background, []byte("actor"), 1<<62, lease.Renewal{ExpiresAt: 1 << 60, Now: 1}); !errors.Is(err, engines.ErrConflict) {
		t.Errorf("renewing with a version that was never given: %v, want ErrConflict", err)
	}
}

// TestVerifyALogLeftBehind verifies a store as a kill leaves it: its files, while
// the engine is open, copied.
func TestVerifyALogLeftBehind(t *testing.T) {
	o := engines.Options{Dir: filepath.Join(t.TempDir(), "s"), Durability: engines.Durability{Class: engines.Process}, Config: map[string]any{"wal_autocheckpoint": 0}}
	e := openTest(t, o)
	defer e.Close()
	fill(t, e, 0, 500)
	left := t.TempDir()
	for _, name := range []string{dataName, walName} {
		if err := copyFile(filepath.Join(left, name), filepath.Join(o.Dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	report, err := Driver{}.Verify(background, left, nil)
	if err != nil || report.Records != 500 || report.Files != 2 {
		t.Errorf("%+v, %v, want the 500 records of the log", report, err)
	}
}

// TestVerifyFindsDamage zeroes, swaps and cuts pages. Each must be told.
func TestVerifyFindsDamage(t *testing.T) {
	o := engines.Options{Dir: filepath.Join(t.TempDir(), "s"), Durability: engines.Durability{Class: engines.Process}}
	e := openTest(t, o)
	for i := 0; i < 4000; i += 1000 {
		fill(t, e, i, i+1000)
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(o.Dir, dataName)
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	const page = 4096
	placed := 0
	for at := 0; at+2*page < len(whole); at += 13 * page {
		for what, change := range map[string]func(raw []byte){
			"zeroes": func(raw []byte) { clear(raw[at : at+page]) },
			"ones":   func(raw []byte) { copy(raw[at:at+page], bytes.Repeat([]byte{255}, page)) },
			"cut":    func([]byte) {},
		} {
			raw := bytes.Clone(whole)
			change(raw)
			if what == "cut" {
				raw = raw[:at+page/2]
			}
			if err := os.WriteFile(path, raw, 0o600); err != nil {
				t.Fatal(err)
			}
			var damage *engines.CorruptError
			if _, err := (Driver{}).Verify(background, o.Dir, nil); !errors.As(err, &damage) || damage.File != path {
				t.Errorf("%s at %d: %v, want ErrCorrupt with the file", what, at, err)
			} else if damage.Offset >= 0 {
				placed++
			}
		}
	}
	if placed < 10 {
		t.Errorf("%d of the damages were told with their page", placed)
	}
}
