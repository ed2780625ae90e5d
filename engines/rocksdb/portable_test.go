package rocksdb

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"orbitbench/engines"
)

// These tests need neither cgo nor the library.

func TestConfigureRefuses(t *testing.T) {
	for name, value := range map[string]any{
		"compression_type": "xpress", "commit": "maybe", "block_size": 1, "max_write_buffer_number": 1,
		"wal": "no", "version_stride": 0, "max_background_jobs": -1, "block_cache_size": "big",
	} {
		o := engines.Options{Config: map[string]any{name: value}}
		if _, err := configure(o); !errors.Is(err, engines.ErrInvalid) {
			t.Errorf("%s = %v: %v, want ErrInvalid", name, value, err)
		}
	}
	if _, err := configure(engines.Options{MemoryBytes: -1}); !errors.Is(err, engines.ErrInvalid) {
		t.Errorf("negative memory: %v, want ErrInvalid", err)
	}
}

func TestMemoryBudgetIsShared(t *testing.T) {
	c, err := configure(engines.Options{MemoryBytes: 1 << 30})
	if err != nil {
		t.Fatal(err)
	}
	if sum := c.BlockCacheSize + c.DBWriteBufferSize; sum != 1<<30 {
		t.Errorf("cache and memtables have %d bytes, want the budget", sum)
	}
}

const someLog = `2026/11/23-07:00:00.000001 7f [db/db_impl/db_impl.cc:1] RocksDB version: 7.8.3
2026/11/23-07:00:00.000002 7f EVENT_LOG_v1 {"time_micros": 1000000, "job": 3, "event": "flush_started", "num_memtables": 1}
2026/11/23-07:00:00.000003 7f EVENT_LOG_v1 {"time_micros": 1000500, "cf_name": "leases", "job": 3, "event": "table_file_creation", "file_number": 9, "file_size": 1234}
2026/11/23-07:00:00.000004 7f EVENT_LOG_v1 {"time_micros": 2000000, "job": 3, "event": "flush_finished", "lsm_state": [1, 0]}
2026/11/23-07:00:00.000005 7f EVENT_LOG_v1 {"time_micros": 3000000, "job": 4, "event": "compaction_started"}
2026/11/23-07:00:00.000006 7f EVENT_LOG_v1 {not json}
2026/11/23-07:00:00.000007 7f EVENT_LOG_v1 {"time_micros": 4000000, "job": 4, "event": "compaction_finished", "total_output_size": 777}
2026/11/23-07:00:00.000008 7f EVENT_LOG_v1 {"time_micros": 5000000, "job": 5, "event": "compaction_started"}
`

func TestEventsFollowTheLog(t *testing.T) {
	path := filepath.Join(t.TempDir(), "LOG")
	e := newEvents(path)
	if err := e.read(); err != nil {
		t.Fatalf("without a LOG: %v", err)
	}
	for n := 0; n <= len(someLog); n += 37 { // as it grows, cut anywhere
		if err := os.WriteFile(path, []byte(someLog[:n]), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := e.read(); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(path, []byte(someLog), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := e.read(); err != nil {
		t.Fatal(err)
	}
	at := func(s int64) time.Time { return time.Unix(s, 0) }
	want := []engines.Span{
		{Kind: "flush", Begin: at(1), End: at(2), Bytes: 1234},
		{Kind: "compaction", Begin: at(3), End: at(4), Bytes: 777},
		{Kind: "compaction", Begin: at(5)},
	}
	got := e.list()
	if len(got) != len(want) {
		t.Fatalf("spans %+v, want %+v", got, want)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("span %d is %+v, want %+v", i, got[i], want[i])
		}
	}
	if jobs, bytes := e.totals(); jobs != 2 || bytes != 2011 {
		t.Errorf("%d jobs wrote %d bytes, want 2 and 2011", jobs, bytes)
	}
}

func FuzzEvents(f *testing.F) {
	f.Add([]byte(someLog))
	f.Add([]byte("EVENT_LOG_v1 {\"event\":\"flush_finished\"}\n"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		e := newEvents("")
		taken := e.feed(raw)
		if taken < 0 || taken > len(raw) || bytes.IndexByte(raw[taken:], '\n') >= 0 {
			t.Fatalf("took %d of %d bytes", taken, len(raw))
		}
		e.list()
	})
}

// TestWALSyncCoversEveryWaiter has each writer note its write before it waits,
// and checks when it is let go that a sync began after that.
func TestWALSyncCoversEveryWaiter(t *testing.T) {
	var written, durable atomic.Int64
	w := newWALSync(func() error {
		seen := written.Load()
		time.Sleep(100 * time.Microsecond)
		durable.Store(seen)
		return nil
	})
	const writers, commits = 16, 50
	var wg sync.WaitGroup
	for range writers {
		wg.Go(func() {
			for range commits {
				mine := written.Add(1)
				if err := w.wait(); err != nil {
					t.Error(err)
				}
				if d := durable.Load(); d < mine {
					t.Errorf("write %d is acknowledged, %d are durable", mine, d)
				}
			}
		})
	}
	wg.Wait()
	if n := w.count(); n == 0 || n >= writers*commits {
		t.Errorf("%d syncs for %d commits of %d writers, want shared ones", n, writers*commits, writers)
	}
}

func TestWALSyncFailureIsForEver(t *testing.T) {
	gone := errors.New("device is gone")
	n := 0
	w := newWALSync(func() error {
		if n++; n == 2 {
			return gone
		}
		return nil
	})
	if err := w.wait(); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if err := w.wait(); !errors.Is(err, gone) {
			t.Fatalf("after a failed sync: %v", err)
		}
	}
}
