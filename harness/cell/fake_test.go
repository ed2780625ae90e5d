package cell

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"orbitbench/engines"
	"orbitbench/engines/memory"
	"orbitbench/engines/noop"
)

func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "cell" { // a process of a recovery
		os.Exit(Main(context.Background(), os.Args[2:], lookupTest, os.Stdin, os.Stdout, os.Stderr))
	}
	os.Exit(m.Run())
}

func lookupTest(name string) (engines.Driver, error) {
	for _, d := range []engines.Driver{fakeDriver{}, fakeDriver{evicts: true}, memory.Driver{}, noop.Driver{}, recyclingDriver{}} {
		if d.Info().Name == name {
			return d, nil
		}
	}
	return nil, fmt.Errorf("unknown engine %q", name)
}

// fakeConfig says how a fake engine misbehaves; the zero value does not.
type fakeConfig struct {
	Lose       bool `json:"lose"`        // forgets one lease at every open
	Stale      bool `json:"stale"`       // one lease goes back to its first version at every open
	Phantom    bool `json:"phantom"`     // makes a record up at every open
	Garble     bool `json:"garble"`      // flips a bit of one record at every open
	StallMs    int  `json:"stall_ms"`    // does nothing for this long at the start of every second
	FailAfter  int  `json:"fail_after"`  // commits until every further one fails with EIO
	FullAfter  int  `json:"full_after"`  // commits until the store is full
	HangAfter  int  `json:"hang_after"`  // commits until calls do not return
	HangClose  bool `json:"hang_close"`  // Close does not return
	Refuse     bool `json:"refuse"`      // every renewal is a conflict
	Buffered   int  `json:"buffered"`    // acknowledges before it writes, and writes so many commits at a time
	ReuseAfter bool `json:"reuse_after"` // gives versions a second time after reopen
	EvictEvery int  `json:"evict_every"` // query result that is dropped at once
	FailOpen   bool `json:"fail_open"`
	DelayUs    int  `json:"delay_us"`      // every commit takes so long
	CheckMs    int  `json:"checkpoint_ms"` // a checkpoint takes so long, and every commit 2 ms meanwhile
}

// fakeDriver is named evicting where it says that it evicts.
type fakeDriver struct{ evicts bool }

func (d fakeDriver) Info() engines.Info {
	name := "fake"
	if d.evicts {
		name = "evicting"
	}
	return engines.Info{
		Name: name, Title: "Fake", Role: engines.Baseline, QueryCacheEvicts: d.evicts,
		Classes: []engines.Class{engines.Process, engines.Interval, engines.Sync},
		WhyNot:  map[engines.Class]string{engines.None: "it always writes"},
	}
}

func (d fakeDriver) Configure(o engines.Options) (any, error) {
	var c fakeConfig
	if err := o.DecodeConfig(&c); err != nil {
		return nil, err
	}
	return c, d.Info().Supports(o.Durability)
}

// fakeEngine keeps everything in maps and writes each commit to a file: enough
// for class process, and simple enough to be right.
type fakeEngine struct {
	c     fakeConfig
	begin time.Time

	checkpointing atomic.Bool

	mu      sync.Mutex
	file    *os.File                                  // guarded by mu
	data    [engines.NumKeyspaces]map[string]fakeItem // guarded by mu
	buffer  []byte                                    // guarded by mu
	commits int                                       // guarded by mu
	highest engines.Version                           // guarded by mu
	closed  bool                                      // guarded by mu
}

type fakeItem struct {
	value   []byte
	version engines.Version
}

func (d fakeDriver) Open(_ context.Context, o engines.Options) (engines.Engine, error) {
	conf, err := d.Configure(o)
	if err != nil {
		return nil, err
	}
	e := &fakeEngine{c: conf.(fakeConfig), begin: time.Now()}
	if e.c.FailOpen {
		return nil, fmt.Errorf("fake: %w", syscall.EROFS)
	}
	for ks := range e.data {
		e.data[ks] = make(map[string]fakeItem)
	}
	if err := os.Mkdir(o.Dir, 0o755); err != nil && !errors.Is(err, os.ErrExist) {
		return nil, err
	}
	if e.file, err = os.OpenFile(filepath.Join(o.Dir, "log"), os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o644); err != nil {
		return nil, err
	}
	if err := e.replay(); err != nil {
		return nil, err
	}
	e.misremember()
	return e, nil
}

// A log record: keyspace, deleted, version, length of key, of value, key, value.
func appendFake(b []byte, ks engines.Keyspace, deleted byte, v engines.Version, key, value []byte) []byte {
	b = append(b, byte(ks), deleted)
	b = binary.LittleEndian.AppendUint64(b, uint64(v))
	b = binary.LittleEndian.AppendUint32(b, uint32(len(key)))
	b = binary.LittleEndian.AppendUint32(b, uint32(len(value)))
	return append(append(b, key...), value...)
}

func (e *fakeEngine) replay() error {
	r := bufio.NewReader(e.file)
	var head [18]byte
	for {
		if _, err := io.ReadFull(r, head[:]); err != nil {
			return nil // the end, torn or not
		}
		v := engines.Version(binary.LittleEndian.Uint64(head[2:]))
		key := make([]byte, binary.LittleEndian.Uint32(head[10:]))
		value := make([]byte, binary.LittleEndian.Uint32(head[14:]))
		if _, err := io.ReadFull(r, key); err != nil {
			return nil
		}
		if _, err := io.ReadFull(r, value); err != nil {
			return nil
		}
		if head[1] == 1 {
			delete(e.data[head[0]], string(key))
		} else if old, ok := e.data[head[0]][string(key)]; !ok || v > old.version {
			e.data[head[0]][string(key)] = fakeItem{value, v}
		}
		e.highest = max(e.highest, v)
	}
}

// misremember does to the recovered data what the configuration says.
func (e *fakeEngine) misremember() {
	leases := e.data[engines.Leases]
	for _, ks := range []engines.Keyspace{engines.Nodes, engines.QueryCache, engines.TimeSeries} {
		if len(leases) == 0 { // a cell of another store
			leases = e.data[ks]
		}
	}
	for key, item := range leases {
		switch {
		case e.c.Lose:
			delete(leases, key)
		case e.c.Stale:
			leases[key] = fakeItem{item.value, 0}
		case e.c.Phantom:
			leases["a key that nobody wrote ..."] = item
		case e.c.Garble:
			bad := bytes.Clone(item.value)
			bad[len(bad)-1] ^= 1
			leases[key] = fakeItem{bad, item.version}
		case e.c.ReuseAfter:
			for k, it := range leases {
				leases[k] = fakeItem{it.value, max(it.version, 2) - 1}
			}
			e.highest = 0
		}
		return
	}
}

func (e *fakeEngine) Apply(_ context.Context, b *engines.Batch) error {
	if err := b.Validate(); err != nil {
		return err
	}
	if e.c.StallMs > 0 {
		if into := time.Since(e.begin) % time.Second; into < time.Duration(e.c.StallMs)*time.Millisecond {
			time.Sleep(time.Duration(e.c.StallMs)*time.Millisecond - into)
		}
	}
	time.Sleep(time.Duration(e.c.DelayUs) * time.Microsecond)
	if e.checkpointing.Load() {
		time.Sleep(2 * time.Millisecond)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.commits++
	switch {
	case e.closed:
		return engines.ErrClosed
	case e.c.FailAfter > 0 && e.commits > e.c.FailAfter:
		return fmt.Errorf("fake: write: %w", syscall.EIO)
	case e.c.FullAfter > 0 && e.commits > e.c.FullAfter:
		return fmt.Errorf("fake: %w: %w", engines.ErrFull, syscall.ENOSPC)
	case e.c.HangAfter > 0 && e.commits > e.c.HangAfter:
		e.mu.Unlock()
		select {}
	}
	for _, c := range b.Conditions {
		if have := e.data[c.Keyspace][string(c.Key)].version; have != c.Version || e.c.Refuse && b.Ops[0].Kind == engines.OpRenew {
			return &engines.ConflictError{Keyspace: c.Keyspace, Want: c.Version, Have: have}
		}
	}
	for i := range b.Ops {
		if op := &b.Ops[i]; op.Kind == engines.OpRenew {
			if err := op.Renewal.Check(e.data[op.Keyspace][string(op.Key)].value); err != nil {
				return err
			}
		}
	}
	for i := range b.Ops {
		e.commit(&b.Ops[i])
	}
	if e.commits%max(e.c.Buffered, 1) != 0 {
		return nil
	}
	_, err := e.file.Write(e.buffer)
	e.buffer = e.buffer[:0]
	return err
}

func (e *fakeEngine) commit(op *engines.Op) {
	ks := e.data[op.Keyspace]
	old := ks[string(op.Key)]
	if op.Kind == engines.OpDelete {
		delete(ks, string(op.Key))
		e.buffer = appendFake(e.buffer, op.Keyspace, 1, old.version, op.Key, nil)
		op.Assigned = 0
		return
	}
	value := bytes.Clone(op.Value)
	if op.Kind == engines.OpRenew {
		value = bytes.Clone(old.value)
		op.Renewal.PatchChecked(value)
	}
	op.Assigned = old.version + 1
	if old.version == 0 {
		op.Assigned = e.highest + 1
	}
	e.highest = max(e.highest, op.Assigned)
	if op.Keyspace == engines.QueryCache && e.c.EvictEvery > 0 && e.commits%e.c.EvictEvery == 0 {
		delete(ks, string(op.Key))
		e.buffer = appendFake(e.buffer, op.Keyspace, 1, op.Assigned, op.Key, nil)
		return
	}
	ks[string(op.Key)] = fakeItem{value, op.Assigned}
	e.buffer = appendFake(e.buffer, op.Keyspace, 0, op.Assigned, op.Key, value)
}

func (e *fakeEngine) Get(_ context.Context, ks engines.Keyspace, key, dst []byte) ([]byte, engines.Version, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	item, ok := e.data[ks][string(key)]
	if !ok {
		return dst, 0, engines.ErrNotFound
	}
	return append(dst, item.value...), item.version, nil
}

func (e *fakeEngine) Scan(_ context.Context, ks engines.Keyspace, from, to []byte, yield func(key, value []byte, v engines.Version) error) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	var keys []string
	for k := range e.data[ks] {
		if k >= string(from) && (to == nil || k < string(to)) {
			keys = append(keys, k)
		}
	}
	slices.Sort(keys)
	for _, k := range keys {
		item := e.data[ks][k]
		if err := yield([]byte(k), item.value, item.version); err != nil {
			if errors.Is(err, engines.ErrStopScan) {
				return nil
			}
			return err
		}
	}
	return nil
}

// Checkpoint is engines.Checkpointer: it does nothing but hold the others up.
func (e *fakeEngine) Checkpoint(context.Context) error {
	e.checkpointing.Store(true)
	defer e.checkpointing.Store(false)
	time.Sleep(time.Duration(e.c.CheckMs) * time.Millisecond)
	return nil
}

func (e *fakeEngine) Stats() engines.Stats {
	e.mu.Lock()
	defer e.mu.Unlock()
	return engines.Stats{Commits: uint64(e.commits)}
}

func (e *fakeEngine) Close() error {
	if e.c.HangClose {
		select {}
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return engines.ErrClosed
	}
	e.closed = true
	_, err := e.file.Write(e.buffer)
	return errors.Join(err, e.file.Close())
}
