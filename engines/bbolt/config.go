package bbolt

import (
	"fmt"
	"os"

	bolt "go.etcd.io/bbolt"

	"orbitbench/engines"
	"orbitbench/engines/adapter"
)

// Config holds the options of the adapter, under the JSON names that
// engines.Options.Config takes. Sizes are bytes. The defaults are etcd's where
// it has one.
type Config struct {
	// PageSize is the size of a page of a new store; one that exists keeps its
	// own. Default: the page size of the operating system.
	PageSize int `json:"page_size"`
	// FreelistType is hashmap or array. Default hashmap (etcd's).
	FreelistType string `json:"freelist_type"`
	// NoFreelistSync leaves the list of free pages out of each commit; opening
	// a store then reads all of its pages. Default true (etcd's).
	NoFreelistSync bool `json:"no_freelist_sync"`
	// InitialMmapSize is how much address space is mapped. Default 10 GiB (etcd's).
	InitialMmapSize int `json:"initial_mmap_size"`
	// MmapPopulate reads the whole file ahead when it is mapped. etcd does it
	// to warm its cache. Default false: it would hide what opening and cold
	// reads cost.
	MmapPopulate bool `json:"mmap_populate"`
	// AllocSize is the step by which the file grows. Default 16 MiB (bbolt's).
	AllocSize int `json:"alloc_size"`
	// FillPercent is how full a page is left when it is split. Default 0.5
	// (bbolt's, for keys in no order).
	FillPercent float64 `json:"fill_percent"`
	// MaxSize bounds the file; 0 for no limit. Default 0.
	MaxSize int `json:"max_size"`
	// SyncParentDir syncs the directory after the file was created. bbolt does
	// not: after a power cut a whole new store may be missing, acknowledged
	// commits included, where the file system does not do it by itself.
	// Default false, which is how bbolt's users have it.
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
		PageSize:        os.Getpagesize(),
		FreelistType:    string(bolt.FreelistMapType),
		NoFreelistSync:  true,
		InitialMmapSize: 10 << 30,
		AllocSize:       16 << 20,
		FillPercent:     bolt.DefaultFillPercent,
		VersionStride:   adapter.DefaultStride,
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
	switch {
	case c.PageSize < 1024 || c.PageSize > 1<<16 || c.PageSize&(c.PageSize-1) != 0:
		return fmt.Errorf("page_size is %d, want a power of two from 1024 to 65536", c.PageSize)
	case c.FreelistType != string(bolt.FreelistMapType) && c.FreelistType != string(bolt.FreelistArrayType):
		return fmt.Errorf("freelist_type is %q, want hashmap or array", c.FreelistType)
	case c.InitialMmapSize < 0 || c.InitialMmapSize > 1<<46:
		return fmt.Errorf("initial_mmap_size is %d, want 0 to %d", c.InitialMmapSize, 1<<46)
	case c.AllocSize < 1<<16 || c.AllocSize > 1<<32:
		return fmt.Errorf("alloc_size is %d, want %d to %d", c.AllocSize, 1<<16, 1<<32)
	case c.FillPercent < 0.1 || c.FillPercent > 1:
		return fmt.Errorf("fill_percent is %v, want 0.1 to 1", c.FillPercent)
	case c.MaxSize < 0:
		return fmt.Errorf("max_size is %d, want 0 (no limit) or more", c.MaxSize)
	case c.VersionStride < 1 || c.VersionStride > 1<<40:
		return fmt.Errorf("version_stride is %d, want 1 to %d", c.VersionStride, 1<<40)
	}
	return nil
}
