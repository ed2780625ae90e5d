package lease

import (
	"crypto/sha256"
	"fmt"
)

// NodeStatus is where a cluster member is in its life.
type NodeStatus uint8

// The statuses.
const (
	Active NodeStatus = iota + 1
	Draining
	Stopped
)

// String returns the name of the status.
func (s NodeStatus) String() string {
	switch s {
	case Active:
		return "active"
	case Draining:
		return "draining"
	case Stopped:
		return "stopped"
	}
	return fmt.Sprintf("status(%d)", uint8(s))
}

// Node is a cluster member with the lease that keeps it one.
type Node struct {
	ID, Namespace, URL string
	Port               uint16
	Status             NodeStatus
	ActorTypes         []string
	MaxActors          uint32
	Tags               []Tag
	ExpiresAt          int64  // ns since the Unix epoch
	RenewAt            int64  // ns since the Unix epoch
	ChallengeToken     []byte // what a renewal must present
}

// Tag is a name with a value.
type Tag struct{ Name, Value string }

// Snapshot is the saved state of an actor.
type Snapshot struct {
	Actor      Key
	SnapshotID [UUIDBytes]byte
	Version    uint64 // of the actor's state
	CreatedAt  int64  // ns since the Unix epoch
	UpdatedAt  int64  // ns since the Unix epoch
	TTLSeconds uint32 // 0 = for ever
	Tags       []Tag
	StateData  []byte
	StateHash  [sha256.Size]byte // SHA-256 of StateData
}

// Verify reports whether the state is the one that was hashed.
func (s *Snapshot) Verify() bool { return sha256.Sum256(s.StateData) == s.StateHash }

// QueryEntry is a cached query result; its key is the hash of the query.
type QueryEntry struct {
	CreatedAt  int64  // ns since the Unix epoch
	TTLSeconds uint32 // 0 = for ever
	Result     []byte
}

// Expired reports whether the entry has outlived its TTL at time now (ns).
func (q *QueryEntry) Expired(now int64) bool {
	return q.TTLSeconds != 0 && now-q.CreatedAt >= int64(q.TTLSeconds)*1e9
}

// Point is one value of a time series; metric and timestamp are its key.
type Point struct {
	Value  float64
	Labels []Tag
}

// AppendPointKey appends the key of a point: metric, a zero byte, and the
// timestamp in ns so that points of a metric sort by time. The metric must not
// contain a zero byte and the timestamp must not be negative.
func AppendPointKey(dst []byte, metric string, timestamp int64) []byte {
	dst = append(dst, metric...)
	dst = append(dst, 0)
	for shift := 56; shift >= 0; shift -= 8 {
		dst = append(dst, byte(uint64(timestamp)>>shift))
	}
	return dst
}
