package lease

import (
	"fmt"
	"time"
)

// UUIDBytes is the length of an actor id.
const UUIDBytes = 16

// Key names an actor.
type Key struct {
	ActorID   [UUIDBytes]byte
	ActorType string
}

// AppendKey appends the bytes of k: the id, then the type. Keys of different
// actors differ, and actors sort by id.
func (k Key) AppendKey(dst []byte) []byte {
	dst = append(dst, k.ActorID[:]...)
	return append(dst, k.ActorType...)
}

// ParseKey is the inverse of AppendKey.
func ParseKey(b []byte) (Key, error) {
	if len(b) < UUIDBytes {
		return Key{}, fmt.Errorf("%w: actor key of %d bytes, at least %d", ErrFormat, len(b), UUIDBytes)
	}
	return Key{ActorID: [UUIDBytes]byte(b), ActorType: string(b[UUIDBytes:])}, nil
}

// String returns the id in UUID form, a slash and the type.
func (k Key) String() string {
	u := k.ActorID
	return fmt.Sprintf("%x-%x-%x-%x-%x/%s", u[0:4], u[4:6], u[6:8], u[8:10], u[10:16], k.ActorType)
}

// Lease says which node holds an actor and until when. Its version is kept by
// the engine, and is the fencing token.
type Lease struct {
	NodeID       string
	ExpiresAt    int64 // ns since the Unix epoch
	Duration     int64 // lease_duration, ns
	CreatedAt    int64 // ns since the Unix epoch
	LastRenewed  int64 // ns since the Unix epoch
	RenewalCount uint32
	CustomData   []byte
}

// New returns a lease that node holds from now for d.
func New(node string, now int64, d time.Duration, custom []byte) Lease {
	return Lease{
		NodeID:      node,
		ExpiresAt:   now + int64(d),
		Duration:    int64(d),
		CreatedAt:   now,
		LastRenewed: now,
		CustomData:  custom,
	}
}

// Expired reports whether the lease has run out at time now.
func (l *Lease) Expired(now int64) bool { return l.ExpiresAt <= now }

// Renewal returns the renewal that extends the lease from now by its duration.
func (l *Lease) Renewal(now int64) Renewal {
	return Renewal{ExpiresAt: now + l.Duration, Now: now}
}
