package wal

import (
	"errors"
	"unsafe"

	"orbitbench/engines"
	"orbitbench/engines/internal/vfs"
)

// Text is the segments that Open has replayed, for an engine that comes back to payloads
// later: its Record says where each lies. The segments are mapped for reading, or in memory where
// they cannot be mapped. An engine that lets go of records (DropBefore) has read them by
// then, as their segments are used again. What Open has checked is not checked again when it is read here.
type Text struct {
	segments []textSegment
}

type textSegment struct {
	file vfs.File // nil: mem is no mapping
	mem  []byte
}

// From returns the bytes of a segment from an offset on, to the end of its last record. They are not to be changed, and
// there until Close. A page that the device refuses to give is a fault (debug.SetPanicOnFault).
func (t *Text) From(segment int, offset uint32) []byte { return t.segments[segment].mem[offset:] }

// Close gives the memory back. It may be called again.
func (t *Text) Close() error {
	var errs []error
	for i := range t.segments {
		s := &t.segments[i]
		if s.file != nil {
			errs = append(errs, s.file.Unmap(s.mem))
		}
		*s = textSegment{}
	}
	return errors.Join(errs...)
}

// hold takes a segment in up to the end of its last record, which w has come to. What lies behind may be written
// from now on, and of a segment without a seal the block in which that end lies is written again as it is: its page is
// made the process's own.
func (t *Text) hold(segment int, file vfs.File, w *walk) error {
	mode, block := vfs.MapRead, w.off
	if !w.sealed {
		mode, block = vfs.MapPrivate, w.off&^(vfs.BlockBytes-1)
	}
	last := make([]byte, w.off-block)
	if err := readFull(file, last, block); err != nil {
		return err
	}
	mem, err := file.Map(0, w.off, mode)
	if err == nil {
		copy(mem[block:], last)
		t.segments[segment] = textSegment{file, mem}
		return nil
	}
	mem = make([]byte, w.off)
	t.segments[segment] = textSegment{nil, mem}
	return readFull(file, mem, 0)
}

// Fault makes the panic x of a fault in the text an error, a *CorruptError; any other panic goes on.
func (t *Text) Fault(x any) error {
	addr, ok := vfs.FaultAddr(x)
	for i := range t.segments {
		s := &t.segments[i]
		if !ok || s.file == nil {
			continue
		}
		if off := addr - uintptr(unsafe.Pointer(&s.mem[0])); off < uintptr(len(s.mem)) {
			return &engines.CorruptError{File: s.file.Name(), Offset: int64(off), Reason: "cannot be read again through its mapping"}
		}
	}
	panic(x)
}
