package cowbtree

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"path"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"orbitbench/engines"
	"orbitbench/engines/internal/damagetest"
	"orbitbench/engines/internal/vfs"
)

// quiet makes checkpoints only when they are asked for.
func quiet(more map[string]any) map[string]any {
	c := map[string]any{"max_keys_per_node": 8, "segment_bytes": 65536, "checkpoint_log_bytes": -1, "checkpoint_share": 1}
	for k, v := range more {
		c[k] = v
	}
	return c
}

// filled opens a store with n records and a checkpoint.
func filled(t *testing.T, mem *vfs.Mem, n int, config map[string]any) *engine {
	t.Helper()
	e := mustOpen(t, mem, syncClass, config)
	var b engines.Batch
	for i := range n {
		b.Put(engines.Nodes, fmt.Appendf(nil, "key-%06d", i*7919%n), []byte(strings.Repeat("value ", 10)))
		if len(b.Ops) == 500 || i == n-1 {
			if err := e.Apply(context.Background(), &b); err != nil {
				t.Fatal(err)
			}
			b.Reset()
		}
	}
	if err := e.Checkpoint(context.Background()); err != nil {
		t.Fatal(err)
	}
	return e
}

// TestOpenReadsNoPages: after a clean close nothing but roots is looked at, a Get
// reads one page of each level, and everything else comes when it is asked for:
// by reads, scans, views, writers and copies.
func TestOpenReadsNoPages(t *testing.T) {
	mem := vfs.NewMem()
	config := quiet(nil)
	e := filled(t, mem, 3000, config)
	want := readAll(t, e)
	mustClose(t, e)

	e = mustOpen(t, mem, syncClass, config)
	if n := e.loader.read.Load(); n != 0 || e.Stats().Records != 3000 {
		t.Errorf("open has read %d pages and knows of %d records", n, e.Stats().Records)
	}
	v, err := e.View(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := e.Get(context.Background(), engines.Nodes, []byte("key-001234"), nil); err != nil {
		t.Fatal(err)
	}
	if n := e.loader.read.Load(); n < 3 || n > 6 {
		t.Errorf("one Get has read %d pages", n)
	}
	for i := range 50 { // the writer meets stubs, before and behind the view
		put(t, e, engines.Nodes, fmt.Sprintf("key-%06d", i*60), "changed")
	}
	if err := e.Snapshot(context.Background(), "/copy"); err != nil {
		t.Fatal(err)
	}
	if got, err := readView(v); err != nil || !got.Equal(want) {
		t.Errorf("a view of pages that were not read has %d records, %v", len(got), err)
	}
	if err := v.Close(); err != nil {
		t.Fatal(err)
	}
	now := readAll(t, e)
	if err := e.Checkpoint(context.Background()); err != nil {
		t.Fatal(err)
	}
	mustClose(t, e)
	for _, dir := range []string{crashDir, "/copy"} {
		c, err := open(context.Background(), mem, engines.Options{Dir: dir, Durability: syncClass, Config: config})
		if err != nil {
			t.Fatal(err)
		}
		if got := readAll(t, c); !got.Equal(now) {
			t.Errorf("%s has %d records, want %d", dir, len(got), len(now))
		}
		mustClose(t, c)
		if _, err := verify(context.Background(), mem, dir, nil); err != nil {
			t.Errorf("%s: %v", dir, err)
		}
	}
}

func readView(v engines.View) (contents, error) {
	all := contents{}
	for _, ks := range engines.AllKeyspaces() {
		err := v.Scan(context.Background(), ks, nil, nil, func(key, value []byte, v engines.Version) error {
			all[fmt.Sprintf("%s/%x", ks, key)] = fmt.Sprintf("%d/%x", v, value)
			return nil
		})
		if err != nil {
			return all, err
		}
	}
	return all, nil
}

// TestCheckpointWritesWhatChanged: one changed record costs the pages above it, and
// none costs nothing; space of old pages is used again.
func TestCheckpointWritesWhatChanged(t *testing.T) {
	mem := vfs.NewMem()
	e := filled(t, mem, 4000, quiet(nil))
	ctx := context.Background()
	written := func() uint64 {
		before := e.Stats().CheckpointBytes
		if err := e.Checkpoint(ctx); err != nil {
			t.Fatal(err)
		}
		return e.Stats().CheckpointBytes - before
	}
	if n := written(); n != 0 {
		t.Errorf("a checkpoint of nothing writes %d bytes", n)
	}
	all := int64(e.pages.space.inUse) * blockBytes
	for i := range 200 {
		put(t, e, engines.Nodes, fmt.Sprintf("key-%06d", i*17), "changed")
		if n := written(); n == 0 || int64(n) > all/20 {
			t.Fatalf("a checkpoint of one record writes %d bytes of %d", n, all)
		}
	}
	size, err := e.pages.reader.Size()
	if err != nil || size > 2*all {
		t.Errorf("the page file has grown from %d to %d bytes (%v)", all, size, err)
	}
	mustClose(t, e)
	if _, err := verify(ctx, mem, crashDir, nil); err != nil {
		t.Error(err)
	}
}

// TestCompression: pages become smaller, and are read whatever the option says.
func TestCompression(t *testing.T) {
	var sizes [2]uint64
	for i, compress := range []bool{false, true} {
		mem := vfs.NewMem()
		e := filled(t, mem, 4000, quiet(map[string]any{"enable_compression": compress, "max_keys_per_node": 256}))
		sizes[i] = e.Stats().CheckpointBytes
		want := readAll(t, e)
		mustClose(t, e)
		if _, err := verify(context.Background(), mem, crashDir, nil); err != nil {
			t.Error(err)
		}
		e = mustOpen(t, mem, syncClass, quiet(map[string]any{"enable_compression": !compress}))
		if got := readAll(t, e); !got.Equal(want) {
			t.Errorf("compressed %v: %d records, want %d", compress, len(got), len(want))
		}
		mustClose(t, e)
	}
	if sizes[1]*2 > sizes[0] {
		t.Errorf("%d bytes with compression, %d without", sizes[1], sizes[0])
	}
}

// TestStaleBlocks: a block of the page file as it was some checkpoints ago gives the right data or an
// error, and Verify agrees.
func TestStaleBlocks(t *testing.T) {
	mem := vfs.NewMem()
	e := filled(t, mem, 300, quiet(nil))
	older := clone(mem)
	for i := range 600 {
		put(t, e, engines.Nodes, fmt.Sprintf("key-%06d", i%300), fmt.Sprint("round ", i))
		if i%40 == 0 {
			if err := e.Checkpoint(context.Background()); err != nil {
				t.Fatal(err)
			}
		}
	}
	want := readAll(t, e)
	mustClose(t, e)
	name := path.Join(crashDir, pagesName)
	old, err := vfs.ReadFile(older, name)
	if err != nil {
		t.Fatal(err)
	}
	now, err := vfs.ReadFile(mem, name)
	if err != nil {
		t.Fatal(err)
	}
	noticed := 0
	for off := 0; off < len(old); off += blockBytes {
		if string(old[off:off+blockBytes]) == string(now[off:off+blockBytes]) {
			continue
		}
		m := clone(mem)
		err := m.Edit(name, func(b []byte) []byte { copy(b[off:off+blockBytes], old[off:]); return b })
		if err != nil {
			t.Fatal(err)
		}
		if damagetest.Noticed(t, subject, m, want, fmt.Sprintf("stale block at %d", off), syncClass) {
			noticed++
		}
	}
	if noticed < 5 {
		t.Errorf("%d stale blocks were noticed", noticed)
	}
}

// TestDamageWhileOpen: a page that is damaged when it is first needed is an error of that call, and
// of no other.
func TestDamageWhileOpen(t *testing.T) {
	mem := vfs.NewMem()
	config := quiet(nil)
	mustClose(t, filled(t, mem, 1000, config))
	e := mustOpen(t, mem, syncClass, config)
	root := e.pages.meta.roots[engines.Nodes]
	if _, _, err := e.Get(context.Background(), engines.Nodes, []byte("key-000000"), nil); err != nil {
		t.Fatal(err)
	}
	err := mem.Edit(path.Join(crashDir, pagesName), func(b []byte) []byte {
		for i := firstPageBlock * blockBytes; i < len(b); i += 512 {
			if i/blockBytes != int(root.block) {
				b[i] ^= 1
			}
		}
		return b
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := e.Get(context.Background(), engines.Nodes, []byte("key-000000"), nil); err != nil {
		t.Errorf("read of a page in memory: %v", err)
	}
	var corrupt *engines.CorruptError
	_, _, err = e.Get(context.Background(), engines.Nodes, []byte("key-000500"), nil)
	if !errors.As(err, &corrupt) || corrupt.Offset < firstPageBlock*blockBytes || !strings.HasSuffix(corrupt.File, pagesName) {
		t.Errorf("read of a damaged page: %v, want ErrCorrupt with file and offset", err)
	}
	var b engines.Batch
	b.Put(engines.Nodes, []byte("key-000500"), nil)
	if err := e.Apply(context.Background(), &b); !errors.Is(err, engines.ErrCorrupt) {
		t.Errorf("write to a damaged page: %v, want ErrCorrupt", err)
	}
	put(t, e, engines.Nodes, "key-000000", "still works")
	mustClose(t, e)
}

// TestEverythingAtOnce runs writers, readers, scans, views, copies and checkpoints side by
// side on tiny nodes. Each writer counts up in all of its records, in one batch.
func TestEverythingAtOnce(t *testing.T) {
	mem := vfs.NewMem()
	config := quiet(map[string]any{"max_keys_per_node": 4, "checkpoint_log_bytes": 32768})
	mustClose(t, filled(t, mem, 500, config))
	e := mustOpen(t, mem, engines.Durability{Class: engines.Process}, config)
	ctx := context.Background()
	stop := make(chan struct{})
	var work, readers sync.WaitGroup
	for w := range 2 {
		work.Go(func() {
			for i := range 400 {
				var b engines.Batch
				for j := range 5 {
					b.Put(engines.Keyspace(j%2), fmt.Appendf(nil, "w%d-%d", w, j), fmt.Append(nil, i))
				}
				b.Put(engines.Index, fmt.Appendf(nil, "w%d-extra-%d", w, i%50), make([]byte, i))
				b.Delete(engines.Nodes, fmt.Appendf(nil, "key-%06d", w*250+i%250))
				if err := e.Apply(ctx, &b); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	whole := func(g interface {
		Get(context.Context, engines.Keyspace, []byte, []byte) ([]byte, engines.Version, error)
	}) {
		for w := range 2 {
			first := ""
			for j := range 5 {
				value, _, err := g.Get(ctx, engines.Keyspace(j%2), fmt.Appendf(nil, "w%d-%d", w, j), nil)
				if err != nil && !errors.Is(err, engines.ErrNotFound) {
					t.Error(err)
				}
				if j == 0 {
					first = string(value)
				}
				if string(value) != first {
					t.Errorf("a view shows %q and %q of one batch", first, value)
				}
			}
		}
	}
	loop := func(do func(rng *rand.Rand, i int) error) {
		readers.Go(func() {
			rng := rand.New(rand.NewPCG(1, 2))
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				if err := do(rng, i); err != nil && !errors.Is(err, engines.ErrNotFound) {
					t.Error(err)
					return
				}
			}
		})
	}
	loop(func(rng *rand.Rand, _ int) error {
		_, _, err := e.Get(ctx, engines.Nodes, fmt.Appendf(nil, "key-%06d", rng.IntN(500)), nil)
		return err
	})
	loop(func(*rand.Rand, int) error { _, err := readSome(e); return err })
	loop(func(*rand.Rand, int) error {
		v, err := e.View(ctx)
		if err != nil {
			return err
		}
		whole(v)
		return v.Close()
	})
	loop(func(_ *rand.Rand, i int) error {
		if i%2 == 0 {
			return e.Checkpoint(ctx)
		}
		return e.Snapshot(ctx, fmt.Sprintf("/copy-%d", i))
	})
	work.Wait()
	close(stop)
	readers.Wait()
	want := readAll(t, e)
	mustClose(t, e)
	if _, err := verify(ctx, mem, crashDir, nil); err != nil {
		t.Error(err)
	}
	e = mustOpen(t, mem, syncClass, config)
	if got := readAll(t, e); !got.Equal(want) {
		t.Errorf("reopened with %d records, want %d", len(got), len(want))
	}
	mustClose(t, e)
}

// TestChangesBesideCheckpoint replaces records while a checkpoint writes: before and
// after the page of their leaf. The next checkpoint must have what this one has not.
func TestChangesBesideCheckpoint(t *testing.T) {
	mem := vfs.NewMem()
	config := quiet(map[string]any{"max_keys_per_node": 16, "segment_bytes": 1 << 20})
	const n = 3000
	var e *engine
	var armed atomic.Bool // off while the hook itself commits; the log calls the hook as well, from a goroutine of its own
	changed := 0
	mem.OnPending = func(op, name string) {
		if op != "write" || !strings.HasSuffix(name, pagesName) || !armed.Swap(false) {
			return
		}
		for i := changed; i < n; i += 60 { // all over the keyspace: each of them other keys
			put(t, e, engines.Nodes, fmt.Sprintf("key-%06d", i), fmt.Sprintf("changed at write %d", changed))
		}
		changed++
		armed.Store(true)
	}
	e = mustOpen(t, mem, engines.Durability{Class: engines.Process}, config)
	for i := range n {
		put(t, e, engines.Nodes, fmt.Sprintf("key-%06d", i), strings.Repeat("x", 500))
	}
	armed.Store(true)
	ctx := context.Background()
	if err := e.Checkpoint(ctx); err != nil {
		t.Fatal(err)
	}
	armed.Store(false)
	if changed < 5 {
		t.Fatalf("the checkpoint took %d writes, too few for this test", changed)
	}
	if upTo, applied := e.pages.meta.upTo, e.pages.meta.applied; upTo <= applied {
		t.Errorf("log applied up to %d, at most up to %d: nothing came beside the checkpoint", applied, upTo)
	}
	want := readAll(t, e)
	crashed := mem.Kill() // the log leads from the first checkpoint to the same state
	if err := e.Checkpoint(ctx); err != nil {
		t.Fatal(err)
	}
	mustClose(t, e)
	for what, m := range map[string]*vfs.Mem{"after the next checkpoint": mem, "after a kill": crashed} {
		e := mustOpen(t, m, syncClass, config)
		if got := readAll(t, e); !got.Equal(want) {
			t.Errorf("%s: wrong data (%d records, want %d)", what, len(got), len(want))
		}
		mustClose(t, e)
		if _, err := verify(ctx, m, crashDir, nil); err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
}
