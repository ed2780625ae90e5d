package crashtest

import "orbitbench/engines/internal/vfs"

// Deaf returns a file system whose syncs do nothing: those of directories, or
// those of files. A judge that finds nothing wrong on it is no judge.
func Deaf(fs vfs.FS, dirs bool) vfs.FS { return deaf{fs, dirs} }

type deaf struct {
	vfs.FS
	dirs bool // SyncDir does nothing; else Sync and DSync of files
}

func (d deaf) SyncDir(dir string) error {
	if d.dirs {
		return nil
	}
	return d.FS.SyncDir(dir)
}

func (d deaf) OpenFile(name string, flag vfs.Flag) (vfs.File, error) {
	if d.dirs {
		return d.FS.OpenFile(name, flag)
	}
	f, err := d.FS.OpenFile(name, flag&^vfs.DSync)
	return deafFile{f}, err
}

type deafFile struct{ vfs.File }

func (deafFile) Sync() error { return nil }
