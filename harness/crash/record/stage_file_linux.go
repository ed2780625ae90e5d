package record

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"
)

// fsName is the source of our mounts, by which a later run finds what a killed one left.
const fsName = "orbitbench-crash"

// owner of all files.
var owner = [2]uint32{uint32(os.Getuid()), uint32(os.Getgid())}

// served is a FUSE mount.
type served struct {
	*journal
	server *fuse.Server
	dir    string
	once   sync.Once
	err    error
}

// serve mounts a journal's tree on a new directory below base.
func serve(j *journal, base string) (*served, error) {
	dir, err := os.MkdirTemp(base, "fuse-")
	if err != nil {
		return nil, err
	}
	server, err := fuse.NewServer(newFileSystem(j), dir, &fuse.MountOptions{
		FsName: fsName, Name: fsName, MaxWrite: 1 << 20, DisableReadDirPlus: true, DisableXAttrs: true,
		DirectMount:          true, // fusermount3 for ordinary users
		DirectMountStrict:    os.Geteuid() == 0,
		DisabledCapabilities: fuse.CAP_PASSTHROUGH | fuse.CAP_NO_OPEN_SUPPORT | fuse.CAP_AUTO_INVAL_DATA | fuse.CAP_WRITEBACK_CACHE,
	})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("mounting a recorder at %s: %w", dir, err), os.Remove(dir))
	}
	go server.Serve()
	s := &served{journal: j, server: server, dir: dir}
	if err := server.WaitMount(); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// Close unmounts, by force if something still holds the mount.
func (s *served) Close() error {
	s.once.Do(func() {
		if s.err = unmount(s.dir); s.err == nil {
			s.server.Wait()
			s.err = os.Remove(s.dir)
		}
	})
	return s.err
}

// unmount waits a little for a process that is about to die, then detaches.
func unmount(dir string) error {
	var err error
	for wait := time.Millisecond; wait < 500*time.Millisecond; wait *= 2 {
		if err = unix.Unmount(dir, unix.UMOUNT_NOFOLLOW); err == nil || errors.Is(err, unix.EINVAL) {
			return nil // EINVAL: it is no mount any more
		}
		if errors.Is(err, unix.EPERM) {
			return fusermount(dir)
		}
		time.Sleep(wait)
	}
	if detached := unix.Unmount(dir, unix.MNT_DETACH|unix.UMOUNT_NOFOLLOW); detached != nil {
		return fmt.Errorf("unmounting %s: %w", dir, err)
	}
	return nil
}

// fileStage is a FileStage.
type fileStage struct {
	*served
	base, model string
}

// NewFileStage mounts a recorder below base, which should lie in tmpfs: crash states are
// made there too. The model is Posix or Ext4Model.
func NewFileStage(ctx context.Context, base, model string) (FileStage, error) {
	return newFileStage(ctx, base, model, newTree())
}

func newFileStage(ctx context.Context, base, model string, t *tree) (FileStage, error) {
	if model != Posix && model != Ext4Model {
		return nil, fmt.Errorf("there is no model %q of a file system: use %s or %s", model, Posix, Ext4Model)
	}
	if err := equipped("file"); err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	j := newJournal(t)
	s, err := serve(j, base)
	if err != nil {
		return nil, err
	}
	j.begin()
	return &fileStage{served: s, base: base, model: model}, nil
}

// Dir implements Stage.
func (s *fileStage) Dir() string { return s.dir }

// Now implements Stage.
func (s *fileStage) Now() uint64 { return s.now() }

// SetFault implements FileStage.
func (s *fileStage) SetFault(f *Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if f != nil {
		c := *f
		if f = &c; f.Errno == 0 {
			f.Errno = syscall.EIO
		}
	}
	s.fault, s.passed, s.faulted = f, 0, 0
}

// Faulted implements FileStage.
func (s *fileStage) Faulted() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.faulted
}

// Finish implements Stage.
func (s *fileStage) Finish(context.Context) (Recording, error) {
	r := s.end(s.model, "", s.base)
	return r, s.Close()
}

// Materialize implements Recording.
func (r *recording) Materialize(ctx context.Context, s State) (string, func() error, error) {
	t, err := r.rebuild(s)
	if err != nil {
		return "", nil, err
	}
	if err := ctx.Err(); err != nil {
		return "", nil, err
	}
	if r.model == disk {
		return r.mountState(t)
	}
	dir, err := os.MkdirTemp(r.dir, "state-")
	if err != nil {
		return "", nil, err
	}
	done := func() error { return os.RemoveAll(dir) }
	if err := t.writeTo(dir); err != nil {
		return "", nil, errors.Join(err, done())
	}
	return dir, done, nil
}

// writeTo makes the tree's files in an empty directory.
func (t *tree) writeTo(dir string) error {
	first := map[uint64]string{}
	for at, ino := range t.reached() {
		if ino == rootIno {
			continue
		}
		name := filepath.Join(dir, at)
		if err := t.nodes[ino].make(name, first[ino]); err != nil {
			return err
		}
		first[ino] = name
	}
	return nil
}

// make makes one file, directory or link; as a further name of it where there is one already.
func (n *node) make(name, already string) error {
	switch {
	case n.dir():
		return os.Mkdir(name, os.FileMode(n.mode&0o777)|0o700)
	case already != "":
		return os.Link(already, name)
	case n.mode&syscall.S_IFMT == syscall.S_IFLNK:
		return os.Symlink(n.target, name)
	}
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, os.FileMode(n.mode&0o777))
	if err != nil {
		return err
	}
	return errors.Join(n.writeTo(f), f.Close())
}

// writeTo writes the content sparsely.
func (n *node) writeTo(f *os.File) error {
	if err := f.Truncate(n.size); err != nil {
		return err
	}
	for u, p := range n.pages {
		from := u * unit
		if from >= n.size {
			continue
		}
		if _, err := f.WriteAt(p[:min(unit, n.size-from)], from); err != nil {
			return err
		}
	}
	return nil
}
