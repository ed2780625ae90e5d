package badger

import (
	"cmp"

	"orbitbench/engines"
	"orbitbench/engines/adapter"
)

var info = engines.Info{
	Name:     "badger",
	Title:    "Badger (LSM tree)",
	Role:     engines.Yardstick,
	Summary:  "Dgraph's LSM tree in Go: a commit goes to a memory-mapped log and a memtable; values above 1 MiB go to a value log of their own.",
	Module:   "github.com/dgraph-io/badger/v4 v4.9.6",
	Package:  "orbitbench/engines/badger",
	Optional: true,
	Classes:  []engines.Class{engines.None, engines.Process, engines.Sync},
	WhyNot: map[engines.Class]string{
		engines.Interval: "DB.Sync syncs the log of the memtable that is being filled, and not those of memtables that wait to be flushed, so a power cut may lose more than the window, from the middle",
	},
	Configuration: "Badger's defaults (source: https://pkg.go.dev/github.com/dgraph-io/badger/v4@v4.9.6#DefaultOptions) with SyncWrites for class sync, half of the memory budget as block cache and the other half shared by five memtables (at least 32 MiB each, which the largest batch needs; the default is 64 MiB). " +
		"Metrics and the detection of conflicts are off: the adapter's latches do its work.",
}

// Config holds the options of the adapter, under the JSON names that
// engines.Options.Config takes. Sizes are bytes.
type Config struct {
	// BlockCacheSize is for uncompressed blocks of tables. Default: half of the memory budget.
	BlockCacheSize int64 `json:"block_cache_size"`
	// MemTableSize is the size of one memtable. Default: a tenth of the memory
	// budget, 32 to 64 MiB. A transaction may fill 15% of it.
	MemTableSize int64 `json:"mem_table_size"`
	// NumMemtables is how many memtables may wait before writes stop. Default 5 (Badger's).
	NumMemtables int `json:"num_memtables"`
	// NumCompactors bounds compactions in parallel. Default 4 (Badger's).
	NumCompactors int `json:"num_compactors"`
	// ValueThreshold is from which size on a value goes to the value log. Default 1 MiB (Badger's).
	ValueThreshold int64 `json:"value_threshold"`
	// VersionStride is how many versions the adapter reserves at a time. Default 1048576.
	VersionStride uint64 `json:"version_stride"`
}

// Derived tells what follows from the durability class. It is shown with the
// configuration and can be given only as it is.
type Derived struct {
	SyncWrites bool `json:"sync_writes"`
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
		BlockCacheSize: max(o.Memory()/2, 1<<20),
		MemTableSize:   min(max(o.Memory()/10, 32<<20), 64<<20),
		NumMemtables:   5,
		NumCompactors:  4,
		ValueThreshold: 1 << 20,
		VersionStride:  adapter.DefaultStride,
	}}
	if err := adapter.Decode(info, o, e); err != nil {
		return nil, err
	}
	given := e.Derived
	e.Derived = Derived{SyncWrites: o.Durability.Class == engines.Sync}
	if err := adapter.Judge(info, e.validate(), adapter.Told("sync_writes", given.SyncWrites, e.SyncWrites)); err != nil {
		return nil, err
	}
	return e, nil
}

func (c *Config) validate() error {
	return cmp.Or(
		adapter.Within("block_cache_size", c.BlockCacheSize, 1<<20, 1<<44),
		adapter.Within("mem_table_size", c.MemTableSize, 32<<20, 1<<32),
		adapter.Within("num_memtables", int64(c.NumMemtables), 1, 1<<10),
		adapter.Within("num_compactors", int64(c.NumCompactors), 2, 1<<10),
		adapter.Within("value_threshold", c.ValueThreshold, 0, 1<<20),
		adapter.Within("version_stride", int64(min(c.VersionStride, 1<<41)), 1, 1<<40),
	)
}
