package pebble

import (
	"cmp"
	"fmt"
	"runtime"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/bloom"

	"orbitbench/engines"
	"orbitbench/engines/adapter"
)

// Config holds the options of the adapter, under the JSON names that
// engines.Options.Config takes. Sizes are bytes. The defaults are those of
// Pebble's own benchmark tool except where a comment says otherwise.
type Config struct {
	// BlockCacheSize is for uncompressed blocks of tables. Default: half of the memory budget.
	BlockCacheSize int64 `json:"block_cache_size"`
	// MemtableSize is the size of one memtable. Default: what lets
	// memtable_stop_writes_threshold of them fill the other half of the memory
	// budget, at most 64 MiB.
	MemtableSize uint64 `json:"memtable_size"`
	// MemtableStopWritesThreshold is how many memtables may queue before writes stop. Default 4.
	MemtableStopWritesThreshold int `json:"memtable_stop_writes_threshold"`
	// L0CompactionThreshold is the read amplification of level 0 that starts a compaction. Default 2.
	L0CompactionThreshold int `json:"l0_compaction_threshold"`
	// L0StopWritesThreshold is the read amplification of level 0 that stops writes. Default 1000.
	L0StopWritesThreshold int `json:"l0_stop_writes_threshold"`
	// LBaseMaxBytes is the size of the base level. Default 64 MiB.
	LBaseMaxBytes int64 `json:"l_base_max_bytes"`
	// TargetFileSize is the size of a table in level 0; it doubles with each level. Default 2 MiB.
	TargetFileSize int64 `json:"target_file_size"`
	// BlockSize is the size of a data block. Default 32 KiB.
	BlockSize int `json:"block_size"`
	// IndexBlockSize is the size of an index block. Default 256 KiB.
	IndexBlockSize int `json:"index_block_size"`
	// BloomBitsPerKey is for table filters on every level but the last, 0 for none. Default 10.
	BloomBitsPerKey int `json:"bloom_bits_per_key"`
	// BloomLastLevel puts filters on the last level too. Default false.
	BloomLastLevel bool `json:"bloom_last_level"`
	// Compression is one of snappy, none, fastest, balanced, good. Default snappy, Pebble's own.
	Compression string `json:"compression"`
	// MaxConcurrentCompactions bounds compactions in parallel. Default: the
	// number of CPUs, at most 3.
	MaxConcurrentCompactions int `json:"max_concurrent_compactions"`
	// MaxOpenFiles bounds the file cache. Default 16384.
	MaxOpenFiles int `json:"max_open_files"`
	// SyncBeforeMarker syncs the directory before Pebble creates a marker file and
	// before it removes one, whose successor must be durable first.
	// Without it a power cut while a store is being created can leave a marker
	// that names a MANIFEST whose directory entry is not durable, and the
	// store cannot be opened (Pebble issue 5825). Default false, which is how
	// Pebble's users have it.
	SyncBeforeMarker bool `json:"sync_before_marker"`
	// VersionStride is how many versions the adapter reserves at a time. Default 1048576.
	VersionStride uint64 `json:"version_stride"`
}

// Derived tells what follows from the library and the durability class. It is
// shown with the configuration and can be given only as it is.
type Derived struct {
	FormatMajorVersion uint64 `json:"format_major_version"`
	WAL                string `json:"wal"`
	Commit             string `json:"commit"`
}

// effective is the effective configuration.
type effective struct {
	Config
	Derived
	durability engines.Durability
}

func defaults(o engines.Options) Config {
	half := o.Memory() / 2
	return Config{
		BlockCacheSize:              half,
		MemtableSize:                uint64(min(64<<20, max(half/4, 1<<20))),
		MemtableStopWritesThreshold: 4,
		L0CompactionThreshold:       2,
		L0StopWritesThreshold:       1000,
		LBaseMaxBytes:               64 << 20,
		TargetFileSize:              2 << 20,
		BlockSize:                   32 << 10,
		IndexBlockSize:              256 << 10,
		BloomBitsPerKey:             10,
		Compression:                 "snappy",
		MaxConcurrentCompactions:    min(3, runtime.GOMAXPROCS(0)),
		MaxOpenFiles:                16384,
		VersionStride:               1 << 20,
	}
}

// configure returns the effective configuration; it touches no file.
func configure(o engines.Options) (*effective, error) {
	e := &effective{Config: defaults(o), durability: o.Durability}
	if err := adapter.Decode(info, o, e); err != nil {
		return nil, err
	}
	given := e.Derived
	e.Derived = derive(o.Durability)
	err := adapter.Judge(info, e.validate(),
		adapter.Told("format_major_version", given.FormatMajorVersion, e.FormatMajorVersion),
		adapter.Told("wal", given.WAL, e.WAL),
		adapter.Told("commit", given.Commit, e.Commit))
	if err != nil {
		return nil, err
	}
	return e, nil
}

func derive(d engines.Durability) Derived {
	t := Derived{FormatMajorVersion: uint64(pebble.FormatNewest)}
	switch d.Class {
	case engines.None:
		t.WAL, t.Commit = "disabled", "into the memtable; Close flushes it"
	case engines.Process:
		t.WAL, t.Commit = "written to the kernel before a commit is acknowledged; log Sync is a no-op in the adapter's file system wrapper",
			"pebble.Sync over that wrapper: ApplyNoSyncWait under latches, SyncWait after"
	case engines.Interval:
		t.WAL, t.Commit = fmt.Sprintf("synced every %s by the adapter", d.Window/2), "pebble.NoSync"
	case engines.Sync:
		t.WAL, t.Commit = "synced before a commit is acknowledged", "pebble.Sync: ApplyNoSyncWait under latches, SyncWait after"
	}
	return t
}

func (c *Config) validate() error {
	err := cmp.Or(
		adapter.Within("block_cache_size", c.BlockCacheSize, 1<<16, 1<<44),
		adapter.Within("memtable_size", int64(min(c.MemtableSize, 1<<40)), 1<<18, 4<<30-1),
		adapter.Within("memtable_stop_writes_threshold", int64(c.MemtableStopWritesThreshold), 2, 1<<10),
		adapter.Within("l0_compaction_threshold", int64(c.L0CompactionThreshold), 1, int64(c.L0StopWritesThreshold)),
		adapter.Within("l0_stop_writes_threshold", int64(c.L0StopWritesThreshold), 1, 1<<20),
		adapter.Within("l_base_max_bytes", c.LBaseMaxBytes, 1<<16, 1<<44),
		adapter.Within("target_file_size", c.TargetFileSize, 1<<14, 1<<34),
		adapter.Within("block_size", int64(c.BlockSize), 1<<9, 1<<24),
		adapter.Within("index_block_size", int64(c.IndexBlockSize), 1<<9, 1<<24),
		adapter.Within("bloom_bits_per_key", int64(c.BloomBitsPerKey), 0, 64),
		adapter.Within("max_concurrent_compactions", int64(c.MaxConcurrentCompactions), 1, 1<<10),
		adapter.Within("max_open_files", int64(c.MaxOpenFiles), 64, 1<<24),
		adapter.Within("version_stride", int64(min(c.VersionStride, 1<<41)), 1, 1<<40),
	)
	if err != nil {
		return err
	}
	if _, ok := compressions[c.Compression]; !ok {
		return fmt.Errorf("compression is %q, want snappy, none, fastest, balanced or good", c.Compression)
	}
	return nil
}

var compressions = map[string]func() pebble.DBCompressionSettings{
	"snappy":   nil, // Pebble's default for every level
	"none":     func() pebble.DBCompressionSettings { return pebble.DBCompressionNone },
	"fastest":  func() pebble.DBCompressionSettings { return pebble.DBCompressionFastest },
	"balanced": func() pebble.DBCompressionSettings { return pebble.DBCompressionBalanced },
	"good":     func() pebble.DBCompressionSettings { return pebble.DBCompressionGood },
}

// options returns the library's options for c. The caller adds the file
// system, the logger, the listener and the lock.
func (c *effective) options() *pebble.Options {
	o := &pebble.Options{
		CacheSize:                   c.BlockCacheSize,
		DisableWAL:                  c.durability.Class == engines.None,
		FormatMajorVersion:          pebble.FormatMajorVersion(c.FormatMajorVersion),
		L0CompactionThreshold:       c.L0CompactionThreshold,
		L0StopWritesThreshold:       c.L0StopWritesThreshold,
		LBaseMaxBytes:               c.LBaseMaxBytes,
		MaxOpenFiles:                c.MaxOpenFiles,
		MemTableSize:                c.MemtableSize,
		MemTableStopWritesThreshold: c.MemtableStopWritesThreshold,
		CompactionConcurrencyRange:  func() (int, int) { return 1, c.MaxConcurrentCompactions },
		FlushSplitBytes:             c.TargetFileSize,
	}
	o.Experimental.EnableColumnarBlocks = func() bool { return true }
	o.TargetFileSizes[0] = c.TargetFileSize
	for i := range o.Levels {
		l := &o.Levels[i]
		l.BlockSize, l.IndexBlockSize = c.BlockSize, c.IndexBlockSize
		l.FilterPolicy, l.FilterType = pebble.NoFilterPolicy, pebble.TableFilter
		if c.BloomBitsPerKey > 0 && (i < len(o.Levels)-1 || c.BloomLastLevel) {
			l.FilterPolicy = bloom.FilterPolicy(c.BloomBitsPerKey)
		}
	}
	if settings := compressions[c.Compression]; settings != nil {
		o.ApplyCompressionSettings(settings)
	}
	return o
}
