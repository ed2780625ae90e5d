package bbolt

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"orbitbench/engines"
	"orbitbench/engines/lease"
)

func TestSmoke(t *testing.T) {
	for _, d := range []string{"none", "process", "sync"} {
		t.Run(d, func(t *testing.T) {
			dur, err := engines.ParseDurability(d)
			if err != nil {
				t.Fatal(err)
			}
			o := engines.Options{Dir: t.TempDir() + "/s", Durability: dur, Logf: t.Logf}
			e, err := Driver{}.Open(context.Background(), o)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := (Driver{}).Open(context.Background(), o); !errors.Is(err, engines.ErrLocked) {
				t.Fatalf("second open: %v", err)
			}
			ctx := context.Background()
			var b engines.Batch
			l := lease.New("n", 0, time.Hour, nil)
			val, _ := l.AppendBinary(nil)
			for i := range 100 {
				b.Reset()
				b.Put(engines.Leases, fmt.Appendf(nil, "k%03d", i), val)
				b.Require(engines.Leases, fmt.Appendf(nil, "k%03d", i), 0)
				if err := e.Apply(ctx, &b); err != nil {
					t.Fatal(err)
				}
			}
			v := b.Ops[0].Assigned
			v2, err := e.(engines.LeaseRenewer).RenewLease(ctx, []byte("k099"), v, lease.Renewal{ExpiresAt: 100, Now: 5})
			if err != nil || v2 != v+1 {
				t.Fatal(v, v2, err)
			}
			n := 0
			if err := e.Scan(ctx, engines.Leases, nil, nil, func(k, val []byte, v engines.Version) error { n++; return nil }); err != nil || n != 100 {
				t.Fatal(n, err)
			}
			if err := e.(engines.Snapshotter).Snapshot(ctx, o.Dir+".snap"); err != nil {
				t.Fatal(err)
			}
			t.Logf("%+v", e.Stats())
			if err := e.Close(); err != nil {
				t.Fatal(err)
			}
			if err := e.Close(); !errors.Is(err, engines.ErrClosed) {
				t.Fatal(err)
			}
			for _, dir := range []string{o.Dir, o.Dir + ".snap"} {
				o.Dir = dir
				e, err = Driver{}.Open(ctx, o)
				if err != nil {
					t.Fatal(err)
				}
				_, v3, err := e.Get(ctx, engines.Leases, []byte("k099"), nil)
				if err != nil || v3 != v2 {
					t.Fatal(v3, v2, err)
				}
				b.Reset()
				b.Put(engines.Leases, []byte("k099"), val)
				if err := e.Apply(ctx, &b); err != nil {
					t.Fatal(err)
				}
				t.Log(b.Ops[0].Assigned)
				if err := e.Close(); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkRenew(b *testing.B) {
	for _, d := range []string{"none", "process", "sync"} {
		b.Run(d, func(b *testing.B) {
			dur, _ := engines.ParseDurability(d)
			e, err := Driver{}.Open(context.Background(), engines.Options{Dir: b.TempDir() + "/s", Durability: dur})
			if err != nil {
				b.Fatal(err)
			}
			defer e.Close()
			ctx := context.Background()
			var bt engines.Batch
			l := lease.New("n", 0, time.Hour, make([]byte, 150))
			val, _ := l.AppendBinary(nil)
			bt.Put(engines.Leases, []byte("k"), val)
			if err := e.Apply(ctx, &bt); err != nil {
				b.Fatal(err)
			}
			v := bt.Ops[0].Assigned
			r := e.(engines.LeaseRenewer)
			b.ReportAllocs()
			for b.Loop() {
				v, err = r.RenewLease(ctx, []byte("k"), v, lease.Renewal{ExpiresAt: 1 << 60, Now: 1})
				if err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
