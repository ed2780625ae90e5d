package engines

import (
	"errors"
	"fmt"
)

// The errors that callers tell apart with errors.Is. An engine wraps them with
// what it knows; errors of the operating system (EIO, EROFS ...) come through
// wrapped and unchanged.
var (
	// ErrNotFound: the record does not exist.
	ErrNotFound = errors.New("not found")
	// ErrConflict: a condition of the batch does not hold; see ConflictError.
	ErrConflict = errors.New("version conflict")
	// ErrCorrupt: stored bytes are damaged; see CorruptError.
	ErrCorrupt = errors.New("corrupt")
	// ErrFull: the device or the engine's configured limit is full. Nothing
	// of the batch was applied, and the engine still serves reads.
	ErrFull = errors.New("store is full")
	// ErrClosed: the engine is closed.
	ErrClosed = errors.New("engine is closed")
	// ErrUnsupported: the engine cannot do this, and says why.
	ErrUnsupported = errors.New("unsupported")
	// ErrLocked: another process, or another Engine of this one, holds the directory.
	ErrLocked = errors.New("directory is locked by another engine")
	// ErrInvalid: the call breaks a rule of the contract (limits, duplicate
	// keys in a batch, an unknown keyspace or option). Nothing was applied.
	ErrInvalid = errors.New("invalid")
	// ErrFailed: an earlier write or sync of this engine failed, so that it
	// can promise nothing more until it is closed and opened again from disk.
	ErrFailed = errors.New("engine has failed and must be reopened")
)

// ConflictError is an ErrConflict with both versions. Have is 0 when the
// record does not exist.
type ConflictError struct {
	Keyspace   Keyspace
	Want, Have Version
}

// Error says which version was wanted and which was found.
func (e *ConflictError) Error() string {
	return fmt.Sprintf("version conflict in %s: want %d, have %d", e.Keyspace, e.Want, e.Have)
}

// Is makes errors.Is(err, ErrConflict) true.
func (e *ConflictError) Is(target error) bool { return target == ErrConflict }

// CorruptError is an ErrCorrupt with its place.
type CorruptError struct {
	File   string // path of the damaged file
	Offset int64  // byte offset of the damaged structure, -1 if unknown
	Reason string // what was expected and what was found
}

// Error names the file, the offset and the damage.
func (e *CorruptError) Error() string {
	if e.Offset < 0 {
		return fmt.Sprintf("corrupt: %s: %s", e.File, e.Reason)
	}
	return fmt.Sprintf("corrupt: %s at offset %d: %s", e.File, e.Offset, e.Reason)
}

// Is makes errors.Is(err, ErrCorrupt) true.
func (e *CorruptError) Is(target error) bool { return target == ErrCorrupt }
