package actorstore

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"orbitbench/engines"
	"orbitbench/engines/internal/storetest"
	"orbitbench/engines/internal/vfs"
	"orbitbench/engines/lease"
)

// clock is a time that the test sets.
type clock struct{ atomic.Int64 }

func (c *clock) now() int64 { return c.Load() }

func openCache(t *testing.T, fsys vfs.FS, c *clock, class engines.Class, config map[string]any) *engine {
	t.Helper()
	e, err := openAt(context.Background(), fsys, engines.Options{Dir: crashDir, Durability: storetest.DurabilityOf(class), Config: config, Logf: t.Logf}, c.now)
	require.NoError(t, err)
	return e
}

func cacheEntry(t *testing.T, created int64, ttl uint32, size int) string {
	t.Helper()
	q := lease.QueryEntry{CreatedAt: created, TTLSeconds: ttl, Result: make([]byte, size)}
	raw, err := q.AppendBinary(nil)
	require.NoError(t, err)
	return string(raw)
}

func cached(t *testing.T, e engines.Engine) (keys []string) {
	t.Helper()
	err := e.Scan(context.Background(), engines.QueryCache, nil, nil, func(key, _ []byte, _ engines.Version) error {
		keys = append(keys, string(key))
		return nil
	})
	require.NoError(t, err)
	return keys
}

const second = int64(1e9)

// TestCacheTTL: an entry that has run out is absent for Get, Scan, conditions and
// views that were opened afterwards, and its next version is above the old one.
func TestCacheTTL(t *testing.T) {
	ctx := context.Background()
	for _, class := range engines.Classes() {
		c := &clock{}
		c.Store(100 * second)
		e := openCache(t, vfs.NewMem(), c, class, map[string]any{"segment_bytes": 65536, "query_cache_ttl_seconds": 50})
		short := put(t, e, engines.QueryCache, "short", cacheEntry(t, 100*second, 10, 20))
		put(t, e, engines.QueryCache, "default", cacheEntry(t, 100*second, 0, 20))
		put(t, e, engines.QueryCache, "plain", "no entry, so it has no age")
		old, err := e.View(ctx)
		require.NoError(t, err)
		c.Store(110 * second)
		require.Equal(t, []string{"default", "plain"}, cached(t, e))
		_, _, err = e.Get(ctx, engines.QueryCache, []byte("short"), nil)
		require.ErrorIs(t, err, engines.ErrNotFound)
		_, v, err := old.Get(ctx, engines.QueryCache, []byte("short"), nil)
		require.NoError(t, err, "a view stays as it was")
		require.Equal(t, short, v)
		require.NoError(t, old.Close())
		view, err := e.View(ctx)
		require.NoError(t, err)
		_, _, err = view.Get(ctx, engines.QueryCache, []byte("short"), nil)
		require.ErrorIs(t, err, engines.ErrNotFound)
		require.NoError(t, view.Close())

		var b engines.Batch
		b.Require(engines.QueryCache, []byte("short"), short)
		b.Put(engines.QueryCache, []byte("short"), []byte("x"))
		require.ErrorIs(t, e.Apply(ctx, &b), engines.ErrConflict)
		b.Reset()
		b.Require(engines.QueryCache, []byte("short"), 0)
		b.Put(engines.QueryCache, []byte("short"), []byte("x"))
		require.NoError(t, e.Apply(ctx, &b))
		require.Greater(t, b.Ops[0].Assigned, short)

		c.Store(150 * second)
		require.Equal(t, []string{"plain", "short"}, cached(t, e))
		require.Equal(t, 3, e.cache.Len())
		require.NoError(t, e.sweepCache(ctx))
		require.Equal(t, 2, e.cache.Len(), "what has run out is deleted")
		require.EqualValues(t, len("plain")+len("short")+len("no entry, so it has no age")+len("x"), e.cache.Bytes())
		mustClose(t, e)
	}
}

// TestCacheBound: the cache never holds more than its bound when Apply returns;
// the oldest goes first, but one that was read is passed over once.
func TestCacheBound(t *testing.T) {
	ctx := context.Background()
	for _, class := range []engines.Class{engines.Process, engines.Sync} {
		const limit = 10_000
		mem, c := vfs.NewMem(), &clock{}
		config := map[string]any{"segment_bytes": 65536, "query_cache_bytes": limit}
		e := openCache(t, mem, c, class, config)
		for i := range 9 {
			put(t, e, engines.QueryCache, fmt.Sprintf("q%d", i), cacheEntry(t, int64(i), 0, 1000))
		}
		require.Len(t, cached(t, e), 9)
		e.mustGet(t, "q0")
		put(t, e, engines.QueryCache, "q9", cacheEntry(t, 9, 0, 1000))
		require.LessOrEqual(t, e.cache.Bytes(), int64(limit))
		_, _, err := e.Get(ctx, engines.QueryCache, []byte("q1"), nil)
		require.ErrorIs(t, err, engines.ErrNotFound, "the oldest that was not read went")
		e.mustGet(t, "q0")

		// After a reopen age decides, and everything counts.
		before := e.cache.Bytes()
		mustClose(t, e)
		e = openCache(t, mem, c, class, config)
		require.NoError(t, e.index.LoadAll(ctx))
		require.Equal(t, before, e.cache.Bytes())
		put(t, e, engines.QueryCache, "q10", cacheEntry(t, 10, 0, 1000))
		_, _, err = e.Get(ctx, engines.QueryCache, []byte("q0"), nil)
		require.ErrorIs(t, err, engines.ErrNotFound)
		e.mustGet(t, "q2")

		// A batch larger than the bound leaves as much of itself as fits.
		var b engines.Batch
		for i := range 40 {
			b.Put(engines.QueryCache, fmt.Appendf(nil, "b%02d", i), []byte(cacheEntry(t, 100, 0, 1000)))
		}
		require.NoError(t, e.Apply(ctx, &b))
		require.LessOrEqual(t, e.cache.Bytes(), int64(limit))
		require.Greater(t, e.cache.Len(), 5)
		require.EqualValues(t, e.cache.Len(), len(cached(t, e)))
		mustClose(t, e)
	}
}

func (e *engine) mustGet(t *testing.T, key string) {
	t.Helper()
	_, _, err := e.Get(context.Background(), engines.QueryCache, []byte(key), nil)
	require.NoError(t, err, key)
}

// TestSeriesRefuseDelete, also within a batch of other things, which is refused as a whole.
func TestSeriesRefuseDelete(t *testing.T) {
	e := mustOpen(t, vfs.NewMem(), syncClass, nil)
	var b engines.Batch
	b.Put(engines.Nodes, []byte("n"), nil)
	b.Delete(engines.TimeSeries, []byte("p"))
	require.ErrorIs(t, e.Apply(context.Background(), &b), engines.ErrUnsupported)
	_, _, err := e.Get(context.Background(), engines.Nodes, []byte("n"), nil)
	require.True(t, errors.Is(err, engines.ErrNotFound))
	mustClose(t, e)
}
