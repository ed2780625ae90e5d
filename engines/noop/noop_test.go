package noop

import (
	"context"
	"errors"
	"path/filepath"
	"testing"

	"orbitbench/engines"
	"orbitbench/engines/lease"
)

func TestCallsAllocateNothing(t *testing.T) {
	ctx := context.Background()
	e, err := Driver{}.Open(ctx, engines.Options{Dir: filepath.Join(t.TempDir(), "noop")})
	if err != nil {
		t.Fatal(err)
	}
	key, dst := []byte("key"), make([]byte, 0, 64)
	var b engines.Batch
	calls := func() {
		b.Reset()
		b.Require(engines.Leases, key, 1)
		b.Renew(key, lease.Renewal{ExpiresAt: 2, Now: 1})
		if err := e.Apply(ctx, &b); err != nil || b.Ops[0].Assigned != 1 {
			t.Fatalf("Apply: %v, assigned %d", err, b.Ops[0].Assigned)
		}
		if _, err := e.(engines.LeaseRenewer).RenewLease(ctx, key, 1, lease.Renewal{}); err != nil {
			t.Fatal(err)
		}
		v, _, err := e.Get(ctx, engines.Leases, key, dst)
		if err != nil || lease.CheckHead(v) != nil || len(lease.HolderOf(v)) != 0 {
			t.Fatalf("Get: %x, %v", v, err)
		}
	}
	calls()
	if n := testing.AllocsPerRun(100, calls); n != 0 {
		t.Errorf("%v allocations per run, want 0", n)
	}
	if err := e.Close(); err != nil {
		t.Error(err)
	}
}

func TestConfigure(t *testing.T) {
	for _, c := range []struct {
		options engines.Options
		want    error
	}{
		{engines.Options{}, nil},
		{engines.Options{Durability: engines.Durability{Class: engines.Sync}}, engines.ErrUnsupported},
		{engines.Options{Durability: engines.Durability{Class: engines.Interval}}, engines.ErrInvalid},
		{engines.Options{Config: map[string]any{"speed": 11}}, engines.ErrInvalid},
	} {
		if _, err := (Driver{}).Configure(c.options); !errors.Is(err, c.want) {
			t.Errorf("Configure(%+v): %v, want %v", c.options, err, c.want)
		}
	}
}
