package record

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// loopDevice is an attached loop device of our own: one that was used before
// for another image has been seen to serve what it had cached.
type loopDevice struct {
	fd, index int
	path      string
	made      bool // the device node is ours
}

func loopControl(request uint, arg int) (int, error) {
	ctl, err := unix.Open("/dev/loop-control", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return 0, fmt.Errorf("/dev/loop-control: %w", err)
	}
	defer unix.Close(ctl)
	return ioctlInt(ctl, request, arg)
}

// attach puts a new loop device on a file. It detaches itself when its last user is gone.
func attach(backing int, base string, flags uint32) (*loopDevice, error) {
	for try := 0; ; try++ {
		index, err := loopControl(unix.LOOP_CTL_ADD, -1)
		if err != nil {
			return nil, fmt.Errorf("adding a loop device: %w", err)
		}
		d := &loopDevice{fd: -1, index: index, path: fmt.Sprintf("/dev/loop%d", index)}
		if _, err := os.Stat(d.path); errors.Is(err, os.ErrNotExist) {
			d.path, d.made = filepath.Join(base, fmt.Sprintf("loop%d", index)), true
			if err := unix.Mknod(d.path, unix.S_IFBLK|0o600, int(unix.Mkdev(7, uint32(index)))); err != nil {
				return nil, errors.Join(err, d.detach())
			}
		}
		if d.fd, err = unix.Open(d.path, unix.O_RDWR|unix.O_CLOEXEC, 0); err != nil {
			return nil, errors.Join(err, d.detach())
		}
		config := unix.LoopConfig{Fd: uint32(backing), Size: sector, Info: unix.LoopInfo64{Flags: unix.LO_FLAGS_AUTOCLEAR | flags}}
		err = unix.IoctlLoopConfigure(d.fd, &config)
		if errors.Is(err, unix.EINVAL) && flags != 0 { // direct I/O is refused here
			config.Info.Flags = unix.LO_FLAGS_AUTOCLEAR
			err = unix.IoctlLoopConfigure(d.fd, &config)
		}
		if err == nil {
			return d, nil
		}
		err = errors.Join(fmt.Errorf("attaching %s: %w", d.path, err), d.detach())
		if !errors.Is(err, unix.EBUSY) || try == 10 { // another program took it
			return nil, err
		}
	}
}

// release lets go of the device, so that it detaches when it is unmounted.
func (d *loopDevice) release() {
	if d.fd >= 0 {
		_ = unix.Close(d.fd)
		d.fd = -1
	}
}

// detach removes the device. What is mounted on it must be gone.
func (d *loopDevice) detach() error {
	d.release()
	var err error
	for wait := time.Millisecond; wait < 8*time.Second; wait *= 2 {
		if _, err = loopControl(unix.LOOP_CTL_REMOVE, d.index); err == nil || errors.Is(err, unix.ENODEV) {
			err = nil
			break
		}
		time.Sleep(wait)
	}
	if d.made {
		err = errors.Join(err, os.Remove(d.path))
	}
	if err != nil {
		return fmt.Errorf("removing loop device %d: %w", d.index, err)
	}
	return nil
}

// ioctlInt is an ioctl that takes an int and returns one.
func ioctlInt(fd int, request uint, arg int) (int, error) {
	n, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), uintptr(request), uintptr(arg))
	if errno != 0 {
		return 0, errno
	}
	return int(n), nil
}

// removals are devices that are being removed behind the callers' backs: the kernel takes
// 40 ms for each, most of it waiting, and a crash state only needs to be unmounted.
var removals = struct {
	slots chan struct{} // as many at a time, so that a stopped process leaves no more (and none with a file attached)
	mu    sync.Mutex    // guards err
	err   error         // of those that have ended
}{slots: make(chan struct{}, 16)}

// detachLater is detach without waiting. It returns the errors of earlier ones.
func (d *loopDevice) detachLater() error {
	if d.made {
		return d.detach() // its device node lies in a directory that the caller removes
	}
	d.release()
	removals.slots <- struct{}{}
	go func() {
		defer func() { <-removals.slots }()
		if err := d.detach(); err != nil {
			removals.mu.Lock()
			removals.err = errors.Join(removals.err, err)
			removals.mu.Unlock()
		}
	}()
	removals.mu.Lock()
	defer removals.mu.Unlock()
	err := removals.err
	removals.err = nil
	return err
}

// removing lets one caller at a time wait for all removals.
var removing sync.Mutex

// removed waits until all removals have ended.
func removed() {
	removing.Lock()
	defer removing.Unlock()
	for range cap(removals.slots) {
		removals.slots <- struct{}{}
	}
	for range cap(removals.slots) {
		<-removals.slots
	}
}
