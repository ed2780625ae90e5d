package appendlog

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"orbitbench/engines"
	"orbitbench/engines/internal/index"
	"orbitbench/engines/internal/vfs"
	"orbitbench/engines/lease"
)

// A store whose versions come to their end says so and keeps what it has: a record's head has
// 61 bits for them.
func TestHighestVersion(t *testing.T) {
	ctx := context.Background()
	for _, class := range []engines.Class{engines.Sync, engines.Process} {
		mem, d := vfs.NewMem(), engines.Durability{Class: class}
		mustClose(t, mustOpen(t, mem, d, nil))
		m, err := metaFormat.Read(mem, "/store")
		require.NoError(t, err)
		m.Base = uint64(index.MaxVersion) - 2
		require.NoError(t, metaFormat.Write(mem, "/store", m))

		e := mustOpen(t, mem, d, nil)
		l := lease.New("node", 1, time.Hour, nil)
		value, err := l.AppendBinary(nil)
		require.NoError(t, err)
		var b engines.Batch
		b.Put(engines.Leases, []byte("lease"), value)
		require.NoError(t, e.Apply(ctx, &b))
		require.Equal(t, index.MaxVersion-1, b.Ops[0].Assigned)
		r := lease.Renewal{ExpiresAt: int64(2 * time.Hour), Now: 5}
		v, err := e.RenewLease(ctx, []byte("lease"), index.MaxVersion-1, r)
		require.NoError(t, err)
		require.Equal(t, index.MaxVersion, v)

		_, err = e.RenewLease(ctx, []byte("lease"), v, r)
		require.ErrorIs(t, err, engines.ErrFull)
		require.ErrorIs(t, e.Apply(ctx, &b), engines.ErrFull)
		b.Reset()
		b.Delete(engines.Leases, []byte("lease"))
		require.ErrorIs(t, e.Apply(ctx, &b), engines.ErrFull)
		mustClose(t, e)

		e = mustOpen(t, mem, d, nil)
		_, v, err = e.Get(ctx, engines.Leases, []byte("lease"), nil)
		require.NoError(t, err)
		require.Equal(t, index.MaxVersion, v)
		mustClose(t, e)
	}
}
