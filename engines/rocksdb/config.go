package rocksdb

import (
	"cmp"
	"fmt"
	"runtime"
	"slices"

	"orbitbench/engines"
	"orbitbench/engines/adapter"
)

var info = engines.Info{
	Name:    "rocksdb",
	Title:   "RocksDB",
	Role:    engines.Candidate,
	Claim:   "RocksDB",
	Summary: "The C++ LSM tree, through cgo: a commit goes to a write-ahead log and a memtable of its column family; memtables are flushed to sorted tables, which are compacted in the background.",
	Module:  "github.com/linxGnu/grocksdb v1.7.14 (librocksdb 7.8)",
	Package: "orbitbench/engines/rocksdb",
	Cgo:     true,
	Classes: engines.Classes(),

	VisibleBeforeDurable: true,

	Configuration: "Snappy, four 64 MiB write buffers, 64 MiB target files, level compaction with dynamic level bytes, log on and a column family per keyspace, as the design notes configure it; " +
		"block size, bytes per sync, cached and pinned index and filter blocks and 10-bit filters as RocksDB's tuning guide recommends (source: https://github.com/facebook/rocksdb/wiki/Setup-Options-and-Basic-Tuning). " +
		"Half of the memory budget is block cache; the other half bounds the memtables of all column families together (db_write_buffer_size). " +
		"Statistics are off, they cost time. " + commitReason,
}

// The values of Config.Commit.
const (
	commitWriteSync = "write_sync" // WriteOptions.sync = true, under the latches
	commitSyncWAL   = "sync_wal"   // write without sync under the latches, then SyncWAL for all that wait
)

const commitReason = "A commit writes without sync under the latches of its keys, frees them, and then waits for a SyncWAL that one of the waiting writers makes for all of them: " +
	"two documented calls that any user can make (source: https://github.com/facebook/rocksdb/wiki/WAL-Performance). On different keys this is as fast as WriteOptions.sync, whose write groups share syncs just the same; " +
	"but under WriteOptions.sync the latches would be held through the sync, which hurts hot keys (commit = write_sync shows it)."

// Config holds the options of the adapter, under the JSON names that
// engines.Options.Config takes. Sizes are bytes.
type Config struct {
	// CreateIfMissing makes a store where there is none. Default true.
	CreateIfMissing bool `json:"create_if_missing"`
	// EnableStatistics turns RocksDB's tickers and histograms on. Default false.
	EnableStatistics bool `json:"enable_statistics"`
	// CompressionType is one of none, snappy, zlib, bz2, lz4, lz4hc, zstd; Debian's library has them all. Default snappy.
	CompressionType string `json:"compression_type"`
	// BlockCacheSize is for uncompressed blocks, index and filter blocks
	// included. Default: half of the memory budget.
	BlockCacheSize int64 `json:"block_cache_size"`
	// DBWriteBufferSize bounds the memtables of all column families together. Default: half of the memory budget.
	DBWriteBufferSize int64 `json:"db_write_buffer_size"`
	// WriteBufferSize is the size of one memtable. Default 64 MiB.
	WriteBufferSize int64 `json:"write_buffer_size"`
	// MaxWriteBufferNumber is how many memtables a column family may have. Default 4.
	MaxWriteBufferNumber int `json:"max_write_buffer_number"`
	// TargetFileSizeBase is the size of a table. Default 64 MiB.
	TargetFileSizeBase int64 `json:"target_file_size_base"`
	// LevelCompactionDynamicLevelBytes sizes levels from the last one up. Default true.
	LevelCompactionDynamicLevelBytes bool `json:"level_compaction_dynamic_level_bytes"`
	// BlockSize is the size of a data block. Default 16 KiB.
	BlockSize int `json:"block_size"`
	// BloomBitsPerKey is for table filters, 0 for none. Default 10.
	BloomBitsPerKey int `json:"bloom_bits_per_key"`
	// MaxBackgroundJobs bounds flushes and compactions. Default: the number of CPUs, 2 to 6.
	MaxBackgroundJobs int `json:"max_background_jobs"`
	// BytesPerSync writes tables back in steps of this size. Default 1 MiB.
	BytesPerSync int64 `json:"bytes_per_sync"`
	// EnablePipelinedWrite lets the memtable writes of a group overlap the log
	// write of the next. Default false (RocksDB's).
	EnablePipelinedWrite bool `json:"enable_pipelined_write"`
	// Commit is sync_wal or write_sync (class sync only): how a commit becomes
	// durable. Under write_sync latches are held until RocksDB has synced: a
	// commit to a key waits for the sync of the one before it, and readers
	// never see what is not durable. Default sync_wal.
	Commit string `json:"commit"`
	// VersionStride is how many versions the adapter reserves at a time. Default 1048576.
	VersionStride uint64 `json:"version_stride"`
}

// Derived tells what follows from the durability class. It is shown with the
// configuration and can be given only as it is.
type Derived struct {
	WAL         string `json:"wal"`
	AtomicFlush bool   `json:"atomic_flush"`
}

// effective is the effective configuration.
type effective struct {
	Config
	Derived
	durability engines.Durability
}

func defaults(o engines.Options) Config {
	return Config{
		CreateIfMissing:                  true,
		CompressionType:                  "snappy",
		BlockCacheSize:                   o.Memory() / 2,
		DBWriteBufferSize:                o.Memory() / 2,
		WriteBufferSize:                  64 << 20,
		MaxWriteBufferNumber:             4,
		TargetFileSizeBase:               64 << 20,
		LevelCompactionDynamicLevelBytes: true,
		BlockSize:                        16 << 10,
		BloomBitsPerKey:                  10,
		MaxBackgroundJobs:                min(max(runtime.GOMAXPROCS(0), 2), 6),
		BytesPerSync:                     1 << 20,
		Commit:                           commitSyncWAL,
		VersionStride:                    adapter.DefaultStride,
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
	err := adapter.Judge(info, e.validate(), adapter.Told("wal", given.WAL, e.WAL), adapter.Told("atomic_flush", given.AtomicFlush, e.AtomicFlush))
	if err != nil {
		return nil, err
	}
	return e, nil
}

func derive(d engines.Durability) Derived {
	switch d.Class {
	case engines.None:
		return Derived{WAL: "disabled; Close flushes the memtables", AtomicFlush: true}
	case engines.Process:
		return Derived{WAL: "written to the kernel before a commit is acknowledged, not synced"}
	case engines.Interval:
		return Derived{WAL: fmt.Sprintf("synced every %s by the adapter", d.Window/2)}
	}
	return Derived{WAL: "synced before a commit is acknowledged"}
}

// compressions are the values of rocksdb::CompressionType, by the names that
// Config takes.
var compressions = []string{"none", "snappy", "zlib", "bz2", "lz4", "lz4hc", "xpress", "zstd"}

func (c *Config) validate() error {
	err := cmp.Or(
		adapter.Within("block_cache_size", c.BlockCacheSize, 1<<16, 1<<44),
		adapter.Within("db_write_buffer_size", c.DBWriteBufferSize, 0, 1<<44),
		adapter.Within("write_buffer_size", c.WriteBufferSize, 1<<16, 1<<40),
		adapter.Within("max_write_buffer_number", int64(c.MaxWriteBufferNumber), 2, 1<<10),
		adapter.Within("target_file_size_base", c.TargetFileSizeBase, 1<<16, 1<<40),
		adapter.Within("block_size", int64(c.BlockSize), 1<<9, 1<<24),
		adapter.Within("bloom_bits_per_key", int64(c.BloomBitsPerKey), 0, 64),
		adapter.Within("max_background_jobs", int64(c.MaxBackgroundJobs), 2, 1<<10),
		adapter.Within("bytes_per_sync", c.BytesPerSync, 0, 1<<40),
		adapter.Within("version_stride", int64(min(c.VersionStride, 1<<41)), 1, 1<<40),
	)
	if err != nil {
		return err
	}
	if c.CompressionType == "xpress" || !slices.Contains(compressions, c.CompressionType) {
		return fmt.Errorf("compression_type is %q, want none, snappy, zlib, bz2, lz4, lz4hc or zstd", c.CompressionType)
	}
	if c.Commit != commitSyncWAL && c.Commit != commitWriteSync {
		return fmt.Errorf("commit is %q, want %s or %s", c.Commit, commitSyncWAL, commitWriteSync)
	}
	return nil
}
