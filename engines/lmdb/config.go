package lmdb

import (
	"cmp"

	"orbitbench/engines"
	"orbitbench/engines/adapter"
)

var info = engines.Info{
	Name:     "lmdb",
	Title:    "LMDB (COW B+ tree, C)",
	Role:     engines.Yardstick,
	Summary:  "OpenLDAP's copy-on-write B+ tree in one memory-mapped file, through cgo: one writer at a time, no log; readers take no locks; each commit writes the changed pages, syncs, and writes the meta page.",
	Module:   "liblmdb 0.9",
	Package:  "orbitbench/engines/lmdb",
	Cgo:      true,
	Optional: true,
	Classes:  []engines.Class{engines.None, engines.Process, engines.Sync},
	WhyNot: map[engines.Class]string{
		engines.Interval: "LMDB has no log and two meta pages; without a sync in each commit (MDB_NOSYNC) a power cut can leave a meta page whose tree pages never reached the device, so the loss is the store and not a window",
	},
	Configuration: "The library's defaults for class sync; MDB_NOTLS, which a program that moves work between threads needs, and read transactions that are kept and renewed, as its documentation recommends (source: http://www.lmdb.tech/doc/group__mdb.html, mdb_txn_reset). " +
		"MDB_NOSYNC in the classes process and none. MDB_WRITEMAP is off by default: it is faster for large transactions only, and lets a stray write damage the store (write_map shows it). " +
		"The map is larger than the store will be: growing it would stop everybody. " +
		"One transaction per commit; sharing one is what lmdb+batch does. The cache is the kernel's page cache, which the memory budget does not bound. " +
		"sync_parent_dir is off as in LMDB: its file creation is not made durable by a directory sync.",
}

// Config holds the options of the adapter, under the JSON names that
// engines.Options.Config takes. Sizes are bytes.
type Config struct {
	// MapSize is how much address space is mapped, and how long the file can
	// get; above that a commit is ErrFull. Default 64 GiB.
	MapSize int64 `json:"map_size"`
	// MaxReaders bounds the read transactions at one time: calls that read,
	// scans and open views. Default 4096.
	MaxReaders int `json:"max_readers"`
	// WriteMap writes through the memory map (MDB_WRITEMAP); the file is then
	// as long as the map from the beginning, with holes. Default false.
	WriteMap bool `json:"write_map"`
	// NoReadahead turns the kernel's readahead off (MDB_NORDAHEAD), for stores
	// larger than memory. Default false.
	NoReadahead bool `json:"no_readahead"`
	// SyncParentDir syncs the directory after the file was created. LMDB does
	// not: after a power cut a whole new store may be missing where the file
	// system does not do it by itself. Default false, as LMDB's users have it.
	SyncParentDir bool `json:"sync_parent_dir"`
	// VersionStride is how many versions the adapter reserves at a time. Default 1048576.
	VersionStride uint64 `json:"version_stride"`
}

// Derived tells what follows from the durability class. It is shown with the
// configuration and can be given only as it is.
type Derived struct {
	NoSync bool   `json:"no_sync"`
	Cache  string `json:"cache"`
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
		MapSize:       64 << 30,
		MaxReaders:    4096,
		VersionStride: adapter.DefaultStride,
	}}
	if err := adapter.Decode(info, o, e); err != nil {
		return nil, err
	}
	given := e.Derived
	e.Derived = Derived{
		NoSync: o.Durability.Class != engines.Sync,
		Cache:  "page cache of the kernel; the memory budget does not apply",
	}
	err := adapter.Judge(info, e.validate(),
		adapter.Told("no_sync", given.NoSync, e.NoSync),
		adapter.Told("cache", given.Cache, e.Cache))
	if err != nil {
		return nil, err
	}
	return e, nil
}

func (c *Config) validate() error {
	return cmp.Or(
		adapter.Within("map_size", c.MapSize, 1<<20, 1<<46),
		adapter.Within("max_readers", int64(c.MaxReaders), 2, 1<<20),
		adapter.Within("version_stride", int64(min(c.VersionStride, 1<<41)), 1, 1<<40),
	)
}

// dataName is the file with the pages; beside it are LMDB's lock.mdb and the LOCK
// of the adapter.
const dataName = "data.mdb"

// databases are the names of the databases: the keyspaces in numeric order, and
// that of the version state.
func databases() []string {
	var names []string
	for _, ks := range engines.AllKeyspaces() {
		names = append(names, ks.String())
	}
	return append(names, "orbitbench")
}

// stateKey holds the version state, in the last database.
var stateKey = []byte("versions")
