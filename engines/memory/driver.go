package memory

import (
	"context"
	"fmt"
	"path/filepath"
	"time"

	"orbitbench/engines"
)

// Driver opens stores of this package.
type Driver struct{}

// Config is the effective configuration.
type Config struct {
	MaxEntries       int64  `json:"max_entries"`        // records in all keyspaces, 0 = no limit; more is ErrFull
	EnableDiskBackup bool   `json:"enable_disk_backup"` // write a backup every sync_interval and on Close
	BackupPath       string `json:"backup_path"`        // file; a relative path lies within the directory of the store
	SyncInterval     int64  `json:"sync_interval"`      // seconds between backups
	Compression      string `json:"compression"`        // of backups and snapshots: gzip or none
}

// backupName is the file that a snapshot consists of, and the default backup_path.
const backupName = "memory.backup"

// Info describes the engine.
func (Driver) Info() engines.Info {
	const why = "records are kept in process memory only; the optional backup is written at intervals and promises nothing for a single commit"
	return engines.Info{
		Name:    "memory",
		Title:   "Memory (sharded map)",
		Role:    engines.Baseline,
		Summary: "256-shard Go maps with a sorted key list for scans; the reference model and the cost of a commit that is written nowhere.",
		Module:  "orbitbench",
		Package: "orbitbench/engines/memory",
		Classes: []engines.Class{engines.None},
		WhyNot: map[engines.Class]string{
			engines.Process:  why,
			engines.Interval: why,
			engines.Sync:     why,
		},
		Configuration: "Disk backup is off by default, so that the baseline does no input or output; 256 stripes keep lock waits out of the figure at 64 workers.",
	}
}

// Configure returns the effective Config.
func (d Driver) Configure(o engines.Options) (any, error) {
	return d.configure(o)
}

func (d Driver) configure(o engines.Options) (Config, error) {
	c := Config{BackupPath: backupName, SyncInterval: 300, Compression: "gzip"}
	if err := d.Info().Supports(o.Durability); err != nil {
		return c, err
	}
	if err := o.DecodeConfig(&c); err != nil {
		return c, err
	}
	switch {
	case c.MaxEntries < 0:
		return c, fmt.Errorf("%w: memory: max_entries is %d, want 0 (no limit) or more", engines.ErrInvalid, c.MaxEntries)
	case c.SyncInterval <= 0:
		return c, fmt.Errorf("%w: memory: sync_interval is %d, want 1 second or more", engines.ErrInvalid, c.SyncInterval)
	case c.Compression != "gzip" && c.Compression != "none":
		return c, fmt.Errorf("%w: memory: compression is %q, want gzip or none", engines.ErrInvalid, c.Compression)
	case c.BackupPath == "":
		return c, fmt.Errorf("%w: memory: backup_path is empty, want a file name", engines.ErrInvalid)
	}
	return c, nil
}

// Open opens the store in o.Dir and restores the backup or snapshot that it finds there.
func (d Driver) Open(ctx context.Context, o engines.Options) (engines.Engine, error) {
	c, err := d.configure(o)
	if err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	home, err := openHome(o.Dir)
	if err != nil {
		return nil, fmt.Errorf("memory: %w", err)
	}
	e := newEngine(c, o, home)
	if err := e.restore(); err != nil {
		home.release(e.log)
		return nil, fmt.Errorf("memory: %w", err)
	}
	if c.EnableDiskBackup {
		e.startBackups(time.Duration(c.SyncInterval) * time.Second)
	}
	return e, nil
}

// backupFile is the path of the backup of a store in dir.
func (c Config) backupFile(dir string) string {
	if filepath.IsAbs(c.BackupPath) {
		return c.BackupPath
	}
	return filepath.Join(dir, c.BackupPath)
}
