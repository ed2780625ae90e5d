package record

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

// trials holds for each method whether it was let work, a func() error.
var trials sync.Map

// Available returns nil, or why a method cannot be used here: "file" or a mount of NewBlockStage.
// Whether a sandbox that has the devices also lets them be used is tried once.
func Available(method string) error {
	if err := equipped(method); err != nil {
		return err
	}
	trial, _ := trials.LoadOrStore(method, sync.OnceValue(func() error { return refusal(try(method)) }))
	return trial.(func() error)()
}

// refusal returns err if it says that something is not allowed here. Other errors are for
// whoever uses the method to meet: a stage that is broken must not look like one that is missing.
func refusal(err error) error {
	for _, no := range []error{unix.EPERM, unix.EACCES, unix.ENOSYS, unix.ENODEV} {
		if errors.Is(err, no) {
			return fmt.Errorf("not allowed here: %w", err)
		}
	}
	return nil
}

// try makes a stage and closes it.
func try(method string) error {
	base, err := os.MkdirTemp("", "orbitbench-trial-")
	if err != nil {
		return err
	}
	var s Stage
	if method == "file" {
		s, err = NewFileStage(context.Background(), base, Posix)
	} else {
		s, err = NewBlockStage(context.Background(), base, method)
	}
	if err == nil {
		err = s.Close()
	}
	return errors.Join(err, Clear(base))
}

// equipped returns nil, or what a method needs that is not here.
func equipped(method string) error {
	fd, err := unix.Open("/dev/fuse", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("/dev/fuse cannot be opened: %w", err)
	}
	_ = unix.Close(fd)
	kind, block := fileSystemKinds[method]
	switch {
	case method == "file":
		if os.Geteuid() == 0 {
			return nil
		}
		if _, err := fusermountPath(); err != nil {
			return errors.New("an ordinary user needs fusermount3: apt install fuse3")
		}
		return nil
	case !block:
		return fmt.Errorf("there is no method %q", method)
	case os.Geteuid() != 0:
		return errors.New("needs root, for loop devices and mounts")
	}
	if ctl, err := unix.Open("/dev/loop-control", unix.O_RDWR|unix.O_CLOEXEC, 0); err != nil {
		return fmt.Errorf("no loop devices: /dev/loop-control: %w", err)
	} else {
		_ = unix.Close(ctl)
	}
	if _, err := exec.LookPath(kind.mkfs[0]); err != nil {
		from := map[string]string{"ext4": "e2fsprogs", "xfs": "xfsprogs"}[kind.fs]
		return fmt.Errorf("%s is not installed: apt install %s", kind.mkfs[0], from)
	}
	list, err := os.ReadFile("/proc/filesystems")
	if err == nil && !slices.Contains(strings.Fields(string(list)), kind.fs) && exec.Command("modprobe", kind.fs).Run() != nil {
		return fmt.Errorf("the kernel has no %s", kind.fs)
	}
	return nil
}

func fusermountPath() (string, error) {
	if p, err := exec.LookPath("fusermount3"); err == nil {
		return p, nil
	}
	return exec.LookPath("fusermount")
}

// fusermount unmounts what an ordinary user mounted.
func fusermount(dir string) error {
	program, err := fusermountPath()
	if err != nil {
		return err
	}
	if out, err := exec.Command(program, "-u", "-z", dir).CombinedOutput(); err != nil {
		return fmt.Errorf("unmounting %s: %w: %s", dir, err, out)
	}
	return nil
}

// Clear removes base, a directory that was made for stages, with all that they left there when their
// process was killed: mounts, loop devices, files. base itself is not unmounted. No process may use it.
func Clear(base string) error {
	base, err := filepath.Abs(base)
	if err != nil {
		return err
	}
	points, err := mountsBelow(base)
	if err != nil {
		return err
	}
	var errs []error
	for _, dir := range points {
		err := unix.Unmount(dir, unix.MNT_DETACH|unix.UMOUNT_NOFOLLOW)
		if errors.Is(err, unix.EPERM) {
			err = fusermount(dir)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("unmounting %s: %w", dir, err))
		}
	}
	errs = append(errs, detachBelow(base))
	if again, err := mountsBelow(base); err != nil || len(again) > 0 {
		return errors.Join(append(errs, err)...) // never delete through a mount
	}
	return errors.Join(append(errs, os.RemoveAll(base))...)
}

// mountsBelow lists the mount points below a directory, itself left out, the latest first.
func mountsBelow(base string) ([]string, error) {
	info, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return nil, err
	}
	if real, err := filepath.EvalSymlinks(base); err == nil {
		base = real
	}
	var points []string
	for line := range strings.Lines(string(info)) {
		fields := strings.Fields(line)
		if len(fields) < 5 {
			continue
		}
		dir := unescape(fields[4])
		if strings.HasPrefix(dir, base+"/") {
			points = append(points, dir)
		}
	}
	slices.Reverse(points)
	return points, nil
}

// unescape undoes the octal escapes of mountinfo.
func unescape(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+4 <= len(s) {
			if n, err := strconv.ParseUint(s[i+1:i+4], 8, 8); err == nil {
				b.WriteByte(byte(n))
				i += 3
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// detachBelow detaches the loop devices whose image lay below base.
func detachBelow(base string) error {
	files, err := filepath.Glob("/sys/block/loop*/loop/backing_file")
	if err != nil {
		return err
	}
	var errs []error
	for _, file := range files {
		backing, err := os.ReadFile(file)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		name := strings.TrimSuffix(strings.TrimSpace(string(backing)), " (deleted)")
		if _, at, ok := strings.Cut(name, "memfd:"+fsName+":"); ok {
			name = at // where the stage is whose image lies in memory
		}
		if name != base && !strings.HasPrefix(name, base+"/") {
			continue
		}
		device := "/dev/" + filepath.Base(filepath.Dir(filepath.Dir(file)))
		fd, err := unix.Open(device, unix.O_RDWR|unix.O_CLOEXEC, 0)
		if err != nil {
			continue // gone by itself
		}
		if err := unix.IoctlSetInt(fd, unix.LOOP_CLR_FD, 0); err != nil && !errors.Is(err, unix.ENXIO) {
			errs = append(errs, fmt.Errorf("detaching %s: %w", device, err))
		}
		_ = unix.Close(fd)
	}
	return errors.Join(errs...)
}
