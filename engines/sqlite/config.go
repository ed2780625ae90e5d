package sqlite

import (
	"cmp"
	"fmt"
	"strconv"

	"orbitbench/engines"
	"orbitbench/engines/adapter"
)

var info = engines.Info{
	Name:     "sqlite",
	Title:    "SQLite (WAL)",
	Role:     engines.Yardstick,
	Summary:  "SQLite in WAL mode, through cgo: one writer at a time; a commit appends the changed pages to a write-ahead log, which a checkpoint every thousand pages writes to the B-trees of the database file.",
	Module:   "libsqlite3 3.40",
	Package:  "orbitbench/engines/sqlite",
	Cgo:      true,
	Optional: true,
	Classes:  engines.Classes(),
	Configuration: "journal_mode=WAL, with synchronous=FULL for class sync and NORMAL below it, as the documentation recommends (source: https://www.sqlite.org/pragma.html#pragma_synchronous, https://www.sqlite.org/wal.html); " +
		"tables WITHOUT ROWID, recommended for keys that are no integers and rows that are not large (source: https://www.sqlite.org/withoutrowid.html); prepared statements, and a connection for each reader. " +
		"Half of the memory budget is the writer's page cache, the other half is shared out to eight readers. Checkpoints are SQLite's own, after 1000 pages. " +
		"One call of C for a read, a commit or a renewal: through database/sql each statement costs several.",
}

// Config holds the options of the adapter, under the JSON names that
// engines.Options.Config takes. Sizes are bytes.
type Config struct {
	// PageSize is the page size of a new store; one that exists keeps its own. Default 4096 (SQLite's).
	PageSize int `json:"page_size"`
	// WriterCacheSize is the page cache of the writer. Default: half of the memory budget.
	WriterCacheSize int64 `json:"writer_cache_size"`
	// ReaderCacheSize is that of each reader. Default: a sixteenth of the memory budget.
	ReaderCacheSize int64 `json:"reader_cache_size"`
	// WALAutocheckpoint is after how many pages in the log a commit makes a
	// checkpoint, 0 for never. Default 1000 (SQLite's).
	WALAutocheckpoint int `json:"wal_autocheckpoint"`
	// MmapSize is how much of the file is read through a memory map. Default 0 (SQLite's).
	MmapSize int64 `json:"mmap_size"`
	// VersionStride is how many versions the adapter reserves at a time. Default 1048576.
	VersionStride uint64 `json:"version_stride"`
}

// Derived tells what follows from the durability class. It is shown with the
// configuration and can be given only as it is.
type Derived struct {
	JournalMode string `json:"journal_mode"`
	Synchronous string `json:"synchronous"`
	LogSync     string `json:"log_sync"`
}

// effective is the effective configuration.
type effective struct {
	Config
	Derived
	durability engines.Durability
}

// configure returns the effective configuration; it touches no file.
func configure(o engines.Options) (*effective, error) {
	e := &effective{durability: o.Durability, Config: Config{
		PageSize:          4096,
		WriterCacheSize:   max(o.Memory()/2, 1<<16),
		ReaderCacheSize:   max(o.Memory()/16, 1<<16),
		WALAutocheckpoint: 1000,
		VersionStride:     adapter.DefaultStride,
	}}
	if err := adapter.Decode(info, o, e); err != nil {
		return nil, err
	}
	given := e.Derived
	e.Derived = derive(o.Durability)
	err := adapter.Judge(info, e.validate(),
		adapter.Told("journal_mode", given.JournalMode, e.JournalMode),
		adapter.Told("synchronous", given.Synchronous, e.Synchronous),
		adapter.Told("log_sync", given.LogSync, e.LogSync))
	if err != nil {
		return nil, err
	}
	return e, nil
}

func derive(d engines.Durability) Derived {
	t := Derived{JournalMode: "wal", Synchronous: "normal", LogSync: "by checkpoints only"}
	switch d.Class {
	case engines.None:
		t.Synchronous, t.LogSync = "off", "never"
	case engines.Interval:
		t.LogSync = fmt.Sprintf("every %s by the adapter", d.Window/2)
	case engines.Sync:
		t.Synchronous, t.LogSync = "full", "before a commit is acknowledged"
	}
	return t
}

func (c *Config) validate() error {
	if c.PageSize < 512 || c.PageSize > 1<<16 || c.PageSize&(c.PageSize-1) != 0 {
		return fmt.Errorf("page_size is %d, want a power of two from 512 to 65536", c.PageSize)
	}
	return cmp.Or(
		adapter.Within("writer_cache_size", c.WriterCacheSize, 1<<16, 1<<40),
		adapter.Within("reader_cache_size", c.ReaderCacheSize, 1<<16, 1<<40),
		adapter.Within("wal_autocheckpoint", int64(c.WALAutocheckpoint), 0, 1<<30),
		adapter.Within("mmap_size", c.MmapSize, 0, 1<<46),
		adapter.Within("version_stride", int64(min(c.VersionStride, 1<<41)), 1, 1<<40),
	)
}

// Files of a store.
const (
	dataName = "sqlite.db"
	walName  = dataName + "-wal"
	lockName = "LOCK" // of the adapter
)

// stateTable is the number of the table with the version state, behind those of
// the keyspaces.
const stateTable = engines.Keyspace(engines.NumKeyspaces)

// tables are the names of the tables, quoted ("index" is a word of SQL): the
// keyspaces in numeric order, and that of the version state.
func tables() []string {
	var names []string
	for _, ks := range engines.AllKeyspaces() {
		names = append(names, strconv.Quote(ks.String()))
	}
	return append(names, `"orbitbench"`)
}

// stateKey holds the version state.
var stateKey = []byte("versions")

// setup configures a connection; that of the writer makes the tables too.
func (c *effective) setup(writer bool) string {
	cache := c.ReaderCacheSize
	if writer {
		cache = c.WriterCacheSize
	}
	s := fmt.Sprintf("PRAGMA page_size=%d; PRAGMA journal_mode=WAL; PRAGMA synchronous=%s; PRAGMA wal_autocheckpoint=%d; PRAGMA cache_size=-%d; PRAGMA mmap_size=%d; PRAGMA temp_store=MEMORY;",
		c.PageSize, c.Synchronous, c.WALAutocheckpoint, max(cache>>10, 1), c.MmapSize)
	if !writer {
		return s
	}
	s += "BEGIN IMMEDIATE;"
	for _, name := range tables() {
		s += "CREATE TABLE IF NOT EXISTS " + name + " (k BLOB PRIMARY KEY NOT NULL, r BLOB NOT NULL) WITHOUT ROWID;"
	}
	return s + "COMMIT;"
}
