package engines

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"orbitbench/engines/lease"
)

func TestDurabilityForms(t *testing.T) {
	for _, s := range []string{"none", "process", "interval:10ms", "sync"} {
		d, err := ParseDurability(s)
		require.NoError(t, err)
		require.NoError(t, d.Validate())
		require.Equal(t, s, d.String())
		text, err := d.MarshalText()
		require.NoError(t, err)
		var again Durability
		require.NoError(t, again.UnmarshalText(text))
		require.Equal(t, d, again)
	}
	for _, s := range []string{"", "fsync", "Sync", "interval", "interval:", "interval:0s", "interval:-1ms", "interval:soon", "sync:1s", "none:"} {
		_, err := ParseDurability(s)
		require.Error(t, err, s)
		require.Contains(t, err.Error(), fmt.Sprintf("%q", s))
	}
	for _, d := range []Durability{{Class: 9}, {Class: Interval}, {Class: Sync, Window: time.Second}} {
		require.Error(t, d.Validate())
	}
}

func TestErrorsAreToldApart(t *testing.T) {
	conflict := fmt.Errorf("renew: %w", &ConflictError{Keyspace: Leases, Want: 3, Have: 4})
	require.ErrorIs(t, conflict, ErrConflict)
	require.NotErrorIs(t, conflict, ErrCorrupt)
	require.Contains(t, conflict.Error(), "leases: want 3, have 4")
	corrupt := fmt.Errorf("open: %w", &CorruptError{File: "wal-1", Offset: 4096, Reason: "bad crc"})
	require.ErrorIs(t, corrupt, ErrCorrupt)
	require.Contains(t, corrupt.Error(), "wal-1 at offset 4096: bad crc")
	var c *ConflictError
	require.True(t, errors.As(conflict, &c))
}

func TestBatchValidate(t *testing.T) {
	key := []byte("k")
	long := make([]byte, MaxValueBytes+1)
	cases := map[string]func(b *Batch){
		"empty key":           func(b *Batch) { b.Put(Leases, nil, nil) },
		"long key":            func(b *Batch) { b.Delete(Leases, make([]byte, MaxKeyBytes+1)) },
		"long value":          func(b *Batch) { b.Put(Leases, key, long) },
		"unknown keyspace":    func(b *Batch) { b.Put(Keyspace(NumKeyspaces), key, nil) },
		"unknown operation":   func(b *Batch) { b.Ops = append(b.Ops, Op{Keyspace: Leases, Key: key}) },
		"renew of a node":     func(b *Batch) { b.Renew(key, lease.Renewal{}); b.Ops[0].Keyspace = Nodes },
		"condition on no key": func(b *Batch) { b.Require(Leases, nil, 1) },
		"same key twice":      func(b *Batch) { b.Put(Leases, key, nil); b.Delete(Leases, []byte("k")) },
		"same key in a large batch": func(b *Batch) {
			for i := range 100 {
				b.Put(Leases, []byte{byte(i % 99), 1}, nil)
			}
		},
		"too many operations": func(b *Batch) { b.Ops = make([]Op, MaxBatchOps+1) },
		"too many bytes": func(b *Batch) {
			for i := range 5 {
				b.Put(Leases, []byte{byte(i)}, long[1:])
			}
		},
	}
	for name, fill := range cases {
		var b Batch
		fill(&b)
		require.ErrorIs(t, b.Validate(), ErrInvalid, name)
	}

	var b Batch
	b.Put(Leases, key, long[1:])
	b.Put(Nodes, key, nil)
	b.Require(Leases, key, 0)
	require.NoError(t, b.Validate(), "the same key of two keyspaces, and a value at the limit")
	b.Reset()
	require.Empty(t, b.Ops)
	require.NoError(t, b.Validate())
	require.Zero(t, testing.AllocsPerRun(10, func() {
		b.Reset()
		for i := range 20 {
			b.Put(Leases, long[i:i+4:i+5], nil)
			b.Ops[i].Keyspace = Keyspace(i % NumKeyspaces)
		}
	}))
}

func TestDecodeConfig(t *testing.T) {
	type config struct {
		SegmentBytes int64 `json:"segment_bytes"`
		Compress     bool  `json:"compress"`
	}
	got := config{SegmentBytes: 1, Compress: true}
	require.NoError(t, Options{}.DecodeConfig(&got))
	require.NoError(t, Options{Config: map[string]any{"segment_bytes": 5}}.DecodeConfig(&got))
	require.Equal(t, config{5, true}, got, "what is not named keeps its default")
	for _, bad := range []map[string]any{{"segmentbytes_": 5}, {"segment_bytes": "5"}, {"compress": 1}} {
		require.ErrorIs(t, Options{Config: bad}.DecodeConfig(&config{}), ErrInvalid)
	}
}

func TestSupports(t *testing.T) {
	i := Info{Name: "x", Classes: []Class{None}, WhyNot: map[Class]string{Sync: "it has no disk"}}
	require.NoError(t, i.Supports(Durability{}))
	err := i.Supports(Durability{Class: Sync})
	require.ErrorIs(t, err, ErrUnsupported)
	require.Contains(t, err.Error(), "it has no disk")
	require.ErrorIs(t, i.Supports(Durability{Class: Interval}), ErrInvalid)
}
