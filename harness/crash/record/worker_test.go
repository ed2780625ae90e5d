package record

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// workerEnv names the program that this test binary runs as, in a process of
// its own: the one that serves FUSE must not touch the mount.
const workerEnv = "RECORD_TEST_WORKER"

func TestMain(m *testing.M) {
	if name := os.Getenv(workerEnv); name != "" {
		if err := programs[name](os.Args[1]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

const oldText, newText = "the old content", "the new content"

// programs are small stores. All but mmap, direct and the faults replace the file "a" by a new one.
var programs = map[string]func(dir string) error{
	"setup": func(dir string) error {
		return errors.Join(put(filepath.Join(dir, "a"), oldText, true), syncDir(dir))
	},
	// What is right everywhere.
	"replace": func(dir string) error {
		return errors.Join(put(filepath.Join(dir, "a.tmp"), newText, true), os.Rename(filepath.Join(dir, "a.tmp"), filepath.Join(dir, "a")), syncDir(dir))
	},
	// The content may be missing after the rename.
	"replace-no-fsync": func(dir string) error {
		return errors.Join(put(filepath.Join(dir, "a.tmp"), newText, false), os.Rename(filepath.Join(dir, "a.tmp"), filepath.Join(dir, "a")), syncDir(dir))
	},
	// The rename may be missing after the program ended.
	"replace-no-dir-fsync": func(dir string) error {
		return errors.Join(put(filepath.Join(dir, "a.tmp"), newText, true), os.Rename(filepath.Join(dir, "a.tmp"), filepath.Join(dir, "a")))
	},
	"mmap": func(dir string) error {
		f, err := os.OpenFile(filepath.Join(dir, "m"), os.O_RDWR|os.O_CREATE, 0o644)
		if err != nil {
			return err
		}
		defer f.Close()
		if err := errors.Join(f.Truncate(3*unit), f.Sync(), syncDir(dir)); err != nil {
			return err
		}
		b, err := unix.Mmap(int(f.Fd()), 0, 3*unit, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
		if err != nil {
			return err
		}
		copy(b[unit:], newText)
		return unix.Msync(b, unix.MS_SYNC)
	},
	"direct": func(dir string) error {
		fd, err := unix.Open(filepath.Join(dir, "d"), unix.O_RDWR|unix.O_CREAT|unix.O_DIRECT|unix.O_DSYNC, 0o644)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		if err := syncDir(dir); err != nil {
			return err
		}
		b, err := unix.Mmap(-1, 0, 2*unit, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON)
		if err != nil {
			return err
		}
		copy(b, newText)
		_, err = unix.Pwrite(fd, b, 0)
		return err
	},
	"locked": func(dir string) error {
		open := func() (int, error) {
			return unix.Open(filepath.Join(dir, "LOCK"), unix.O_RDWR|unix.O_CREAT, 0o644)
		}
		a, err := open()
		if err != nil {
			return err
		}
		b, err := open()
		if err != nil {
			return err
		}
		if err := unix.Flock(a, unix.LOCK_EX|unix.LOCK_NB); err != nil {
			return err
		}
		if err := unix.Flock(b, unix.LOCK_EX|unix.LOCK_NB); !errors.Is(err, unix.EWOULDBLOCK) {
			return fmt.Errorf("the second lock: %v", err)
		}
		return unix.FcntlFlock(uintptr(a), unix.F_SETLK, &unix.Flock_t{Type: unix.F_WRLCK})
	},
	"tree": func(dir string) error {
		return errors.Join(
			os.MkdirAll(filepath.Join(dir, "x/y"), 0o755), put(filepath.Join(dir, "x/y/f"), newText, true),
			os.Link(filepath.Join(dir, "x/y/f"), filepath.Join(dir, "x/g")), os.Symlink("g", filepath.Join(dir, "x/s")),
			syncDir(filepath.Join(dir, "x/y")), syncDir(filepath.Join(dir, "x")), syncDir(dir),
			os.Truncate(filepath.Join(dir, "x/g"), 3), put(filepath.Join(dir, "gone"), "z", false), os.Remove(filepath.Join(dir, "gone")),
		)
	},
	"write": func(dir string) error { return put(filepath.Join(dir, "w"), newText, true) },
	"read": func(dir string) error {
		_, err := os.ReadFile(filepath.Join(dir, "a"))
		return err
	},
}

func put(name, text string, sync bool) error {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	if sync {
		err = errors.Join(err, f.Sync())
	}
	return errors.Join(err, f.Close())
}

func syncDir(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// work runs a program as a worker in a directory.
func work(t testing.TB, name, dir string) error {
	t.Helper()
	cmd := exec.Command(os.Args[0], dir)
	cmd.Env = append(os.Environ(), workerEnv+"="+name, "GORACE=atexit_sleep_ms=0") // the race detector sleeps a second at exit
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w: %s", name, err, out)
	}
	return nil
}

// base is a directory in tmpfs where there is one. Nothing may be mounted below it at the end.
func base(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "record-test-")
	if err != nil {
		dir = t.TempDir()
	}
	t.Cleanup(func() {
		left, err := mountsBelow(dir)
		require.NoError(t, err)
		require.Empty(t, left, "mounts are left behind")
		entries, err := os.ReadDir(dir)
		require.NoError(t, err)
		require.Empty(t, entries, "directories are left behind")
		require.NoError(t, os.Remove(dir))
	})
	return dir
}

func need(t *testing.T, method string) {
	t.Helper()
	if err := Available(method); err != nil {
		t.Skipf("%s: %v", method, err)
	}
}

// stages are all that can be recorded on.
var stages = map[string]struct {
	method string
	make   func(base string) (Stage, error)
}{
	"posix": {"file", func(base string) (Stage, error) { return NewFileStage(context.Background(), base, Posix) }},
	"file-ext4": {"file", func(base string) (Stage, error) {
		return NewFileStage(context.Background(), base, Ext4Model)
	}},
	MountExt4:     {MountExt4, func(base string) (Stage, error) { return NewBlockStage(context.Background(), base, MountExt4) }},
	MountExt4Bare: {MountExt4Bare, func(base string) (Stage, error) { return NewBlockStage(context.Background(), base, MountExt4Bare) }},
	MountXFS:      {MountXFS, func(base string) (Stage, error) { return NewBlockStage(context.Background(), base, MountXFS) }},
}

// recorded runs setup and a program on a stage; crash points lie in its window from start on, and
// it had ended at the stamp end.
func recorded(t testing.TB, stage, dir, program string) (r Recording, start, end uint64) {
	t.Helper()
	s, err := stages[stage].make(dir)
	require.NoError(t, err)
	defer s.Close()
	require.NoError(t, work(t, "setup", s.Dir()))
	start = s.Now()
	require.NoError(t, work(t, program, s.Dir()))
	end = s.Now()
	r, err = s.Finish(context.Background())
	require.NoError(t, err)
	return r, start, end
}

// content reads a file of a state: of a file stage or of a mounted image.
func content(t testing.TB, r Recording, s State, name string) (text string, exists, mounts bool) {
	t.Helper()
	dir, done, err := r.Materialize(context.Background(), s)
	if errors.Is(err, ErrNoMount) {
		t.Logf("%s: %v", r.Describe(s), err)
		return "", false, false
	}
	require.NoError(t, err)
	defer func() { require.NoError(t, done()) }()
	b, err := os.ReadFile(filepath.Join(dir, name))
	if errors.Is(err, os.ErrNotExist) {
		return "", false, true
	}
	require.NoError(t, err)
	return string(b), true, true
}
