package record

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// storeDir holds the store on a mounted image, beside what the file system put there.
const storeDir = "s"

// fileSystemKind says how an image is made and mounted.
type fileSystemKind struct {
	fs, options string
	bytes       int64
	mkfs        []string
}

// The disk writes 4 KiB units; there is no lazy work, no discard and no fast commit,
// which leaves some states that do not mount.
var fileSystemKinds = map[string]fileSystemKind{
	MountExt4: {"ext4", "nodiscard", 256 << 20,
		[]string{"mkfs.ext4", "-q", "-F", "-b", "4096", "-O", "^fast_commit", "-E", "nodiscard,lazy_itable_init=0,lazy_journal_init=0"}},
	MountExt4Bare: {"ext4", "nodiscard,data=writeback,noauto_da_alloc", 256 << 20,
		[]string{"mkfs.ext4", "-q", "-F", "-b", "4096", "-O", "^fast_commit", "-E", "nodiscard,lazy_itable_init=0,lazy_journal_init=0"}},
	MountXFS: {"xfs", "nouuid,nodiscard", 320 << 20,
		[]string{"mkfs.xfs", "-q", "-f", "-K", "-s", "size=4096"}},
}

// blank is an image with an empty file system, made once a kind.
type blank struct {
	once sync.Once
	node *node
	err  error
}

var blanks = map[string]*blank{MountExt4: {}, MountExt4Bare: {}, MountXFS: {}}

func blankImage(mount string) (*node, error) {
	b := blanks[mount]
	b.once.Do(func() { b.node, b.err = makeImage(fileSystemKinds[mount]) })
	if b.err != nil {
		return nil, b.err
	}
	return b.node.clone(), nil
}

func makeImage(kind fileSystemKind) (*node, error) {
	f, err := memory("mkfs")
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if err := f.Truncate(kind.bytes); err != nil {
		return nil, err
	}
	cmd := exec.Command(kind.mkfs[0], append(kind.mkfs[1:], "/proc/self/fd/3")...)
	cmd.ExtraFiles = []*os.File{f}
	if out, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("%s: %w: %s", kind.mkfs[0], err, out)
	}
	n := newNode(syscall.S_IFREG | 0o600)
	n.size = kind.bytes
	for at := int64(0); ; {
		if at, err = unix.Seek(int(f.Fd()), at, unix.SEEK_DATA); errors.Is(err, unix.ENXIO) {
			return n, nil
		} else if err != nil {
			return nil, err
		}
		p := new(page)
		if _, err := f.ReadAt(p[:], at/unit*unit); err != nil {
			return nil, err
		}
		n.set(at/unit, p)
		at = (at/unit + 1) * unit
	}
}

// memory is a file without a name.
func memory(base string) (*os.File, error) {
	name := fsName + ":" + base
	fd, err := unix.MemfdCreate(name[:min(len(name), 200)], unix.MFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("a file in memory: %w", err)
	}
	return os.NewFile(uintptr(fd), name), nil
}

// mounted is a file system on a loop device.
type mounted struct {
	dir  string
	loop *loopDevice
	once sync.Once
	err  error
}

// mountImage mounts a file below base. An error of the mount itself is ErrNoMount.
func mountImage(backing int, base string, kind fileSystemKind, loopFlags uint32) (*mounted, error) {
	loop, err := attach(backing, base, loopFlags)
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp(base, "mount-")
	if err != nil {
		return nil, errors.Join(err, loop.detach())
	}
	if err := unix.Mount(loop.path, dir, kind.fs, unix.MS_NOATIME, kind.options); err != nil {
		return nil, errors.Join(ErrNoMount, fmt.Errorf("mounting %s: %w", kind.fs, err), loop.detachLater(), os.Remove(dir))
	}
	loop.release()
	return &mounted{dir: dir, loop: loop}, nil
}

// Close unmounts and removes the device.
func (m *mounted) Close() error {
	m.once.Do(func() {
		if m.err = unmount(m.dir); m.err == nil {
			m.err = errors.Join(m.loop.detachLater(), os.Remove(m.dir))
		}
	})
	return m.err
}

// blockStage is a file system on a loop device on an image that FUSE serves.
type blockStage struct {
	*served
	top         *mounted
	base, mount string
}

// NewBlockStage mounts a file system whose device is recorded, below base (which should lie in tmpfs).
// mount is MountExt4, MountExt4Bare or MountXFS. It needs root.
func NewBlockStage(ctx context.Context, base, mount string) (Stage, error) {
	if _, ok := fileSystemKinds[mount]; !ok {
		return nil, fmt.Errorf("there is no mount %q: use %s, %s or %s", mount, MountExt4, MountExt4Bare, MountXFS)
	}
	if err := equipped(mount); err != nil {
		return nil, err
	}
	image, err := blankImage(mount)
	if err != nil {
		return nil, err
	}
	return newBlockStage(ctx, base, mount, image)
}

func newBlockStage(ctx context.Context, base, mount string, image *node) (Stage, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	t := newTree()
	t.nodes[diskIno] = image
	t.enter(rootIno, "disk.img", diskIno)
	below, err := serve(newJournal(t), base)
	if err != nil {
		return nil, err
	}
	s := &blockStage{served: below, base: base, mount: mount}
	if err := s.start(); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// start mounts the image, and begins recording when all that is there is durable.
func (s *blockStage) start() error {
	// Direct I/O: what reaches the device is what is recorded, and when.
	fd, err := unix.Open(filepath.Join(s.served.dir, "disk.img"), unix.O_RDWR|unix.O_DIRECT|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("opening the disk image: %w", err)
	}
	defer unix.Close(fd)
	if s.top, err = mountImage(fd, s.base, fileSystemKinds[s.mount], unix.LO_FLAGS_DIRECT_IO); err != nil {
		return err
	}
	if err := os.Mkdir(s.Dir(), 0o755); err != nil && !errors.Is(err, os.ErrExist) {
		return err
	}
	top, err := unix.Open(s.Dir(), unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(top)
	if err := errors.Join(unix.Fsync(top), unix.Syncfs(top)); err != nil {
		return fmt.Errorf("making the empty file system durable: %w", err)
	}
	s.begin()
	return nil
}

// Dir implements Stage.
func (s *blockStage) Dir() string { return filepath.Join(s.top.dir, storeDir) }

// Now implements Stage.
func (s *blockStage) Now() uint64 { return s.now() }

// Finish implements Stage. What unmounting writes is not part of the recording.
func (s *blockStage) Finish(context.Context) (Recording, error) {
	r := s.end(disk, s.mount, s.base)
	return r, s.Close()
}

// Close implements Stage.
func (s *blockStage) Close() error {
	var err error
	if s.top != nil {
		err = s.top.Close()
	}
	removed()
	return errors.Join(err, s.served.Close())
}

// mountState mounts a state's image: sparse, in memory, on a loop device of its own.
func (r *recording) mountState(t *tree) (string, func() error, error) {
	if err := equipped(r.mount); err != nil {
		return "", nil, err
	}
	f, err := memory(r.dir)
	if err != nil {
		return "", nil, err
	}
	defer f.Close() // the device holds it
	if err := t.nodes[diskIno].writeTo(f); err != nil {
		return "", nil, err
	}
	m, err := mountImage(int(f.Fd()), r.dir, fileSystemKinds[r.mount], 0)
	if err != nil {
		return "", nil, err
	}
	return filepath.Join(m.dir, storeDir), m.Close, nil
}
