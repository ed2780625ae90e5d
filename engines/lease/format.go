package lease

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
)

// Bytes of a lease record (little endian). The head has fixed offsets so that
// an engine can renew a lease without decoding it.
//
//	 0        1        2                 4                                 8
//	+--------+--------+-----------------+---------------------------------+
//	| format | zero   | node_id length  | renewal_count                   |
//	+--------+--------+-----------------+---------------------------------+
//	| expires_at                                                          |  8
//	+---------------------------------------------------------------------+
//	| last_renewed                                                        | 16
//	+---------------------------------------------------------------------+
//	| created_at                                                          | 24
//	+---------------------------------------------------------------------+
//	| lease_duration                                                      | 32
//	+---------------------------------------------------------------------+
//	| node_id ...            | custom_data ... (to the end)               | 40
//	+------------------------+--------------------------------------------+
//
//	field          type   unit
//	format         u8     FormatV1
//	zero           u8     must be 0
//	node_id length u16    bytes
//	renewal_count  u32    renewals since created; stops at its maximum
//	expires_at     i64    ns since the Unix epoch
//	last_renewed   i64    ns since the Unix epoch
//	created_at     i64    ns since the Unix epoch
//	lease_duration i64    ns
const (
	FormatV1 = 1

	HeadBytes = 40 // bytes before node_id

	offFormat      = 0
	offZero        = 1
	offNodeLen     = 2
	offRenewals    = 4
	offExpiresAt   = 8
	offLastRenewed = 16
	offCreatedAt   = 24
	offDuration    = 32
)

// HotOffset and HotBytes give the range of the record that a renewal changes:
// renewal_count, expires_at and last_renewed.
const (
	HotOffset = offRenewals
	HotBytes  = offCreatedAt - offRenewals
)

var (
	// ErrExpired: the lease ran out at or before the time of the call.
	ErrExpired = errors.New("lease has expired")
	// ErrFormat: the bytes are no record of this package.
	ErrFormat = errors.New("malformed record")
)

var le = binary.LittleEndian

// AppendBinary appends the record to dst.
func (l *Lease) AppendBinary(dst []byte) ([]byte, error) {
	if len(l.NodeID) > math.MaxUint16 {
		return dst, fmt.Errorf("%w: node id of %d bytes, at most %d", ErrFormat, len(l.NodeID), math.MaxUint16)
	}
	dst = append(dst, FormatV1, 0)
	dst = le.AppendUint16(dst, uint16(len(l.NodeID)))
	dst = le.AppendUint32(dst, l.RenewalCount)
	dst = le.AppendUint64(dst, uint64(l.ExpiresAt))
	dst = le.AppendUint64(dst, uint64(l.LastRenewed))
	dst = le.AppendUint64(dst, uint64(l.CreatedAt))
	dst = le.AppendUint64(dst, uint64(l.Duration))
	dst = append(dst, l.NodeID...)
	return append(dst, l.CustomData...), nil
}

// UnmarshalBinary decodes the record. CustomData is copied, so b may be reused.
func (l *Lease) UnmarshalBinary(b []byte) error {
	if err := CheckHead(b); err != nil {
		return err
	}
	nodeEnd := HeadBytes + int(le.Uint16(b[offNodeLen:]))
	*l = Lease{
		NodeID:       string(b[HeadBytes:nodeEnd]),
		ExpiresAt:    int64(le.Uint64(b[offExpiresAt:])),
		LastRenewed:  int64(le.Uint64(b[offLastRenewed:])),
		CreatedAt:    int64(le.Uint64(b[offCreatedAt:])),
		Duration:     int64(le.Uint64(b[offDuration:])),
		RenewalCount: le.Uint32(b[offRenewals:]),
	}
	if nodeEnd < len(b) {
		l.CustomData = append([]byte(nil), b[nodeEnd:]...)
	}
	return nil
}

// CheckHead reports whether b begins with the head of a lease record and is
// long enough for its node id. Its errors are ErrFormat.
func CheckHead(b []byte) error {
	switch {
	case len(b) < HeadBytes:
		return fmt.Errorf("%w: lease of %d bytes, at least %d", ErrFormat, len(b), HeadBytes)
	case b[offFormat] != FormatV1:
		return fmt.Errorf("%w: lease format %d, want %d", ErrFormat, b[offFormat], FormatV1)
	case b[offZero] != 0:
		return fmt.Errorf("%w: lease byte 1 is %d, want 0", ErrFormat, b[offZero])
	case len(b) < HeadBytes+int(le.Uint16(b[offNodeLen:])):
		return fmt.Errorf("%w: node id ends at byte %d of %d", ErrFormat, HeadBytes+int(le.Uint16(b[offNodeLen:])), len(b))
	}
	return nil
}

// ExpiresAt reads expires_at from a record that CheckHead accepts.
func ExpiresAt(b []byte) int64 { return int64(le.Uint64(b[offExpiresAt:])) }

// HolderOf returns the node id within a record that CheckHead accepts, without copying.
func HolderOf(b []byte) []byte { return b[HeadBytes : HeadBytes+int(le.Uint16(b[offNodeLen:]))] }

// Renewal is what a renewal changes: a few fields of the head.
type Renewal struct {
	ExpiresAt int64 // the new expires_at, ns since the Unix epoch
	Now       int64 // the new last_renewed, and the time at which the lease must still be valid
}

// Patch applies r to the bytes of a lease record in place: expires_at and
// last_renewed are set and renewal_count grows by one. It fails with ErrExpired
// if the lease ran out at or before r.Now and with ErrFormat if b is no lease;
// b is then unchanged.
func (r Renewal) Patch(b []byte) error {
	if err := r.Check(b); err != nil {
		return err
	}
	r.PatchChecked(b)
	return nil
}

// Check reports whether Patch would succeed.
func (r Renewal) Check(b []byte) error {
	if err := CheckHead(b); err != nil {
		return err
	}
	if ExpiresAt(b) <= r.Now {
		return ErrExpired
	}
	return nil
}

// PatchChecked is Patch on a record for which Check has returned nil, or on
// one that a log says was renewed (replay does not ask whether it had expired).
func (r Renewal) PatchChecked(b []byte) {
	if n := le.Uint32(b[offRenewals:]); n < math.MaxUint32 {
		le.PutUint32(b[offRenewals:], n+1)
	}
	le.PutUint64(b[offExpiresAt:], uint64(r.ExpiresAt))
	le.PutUint64(b[offLastRenewed:], uint64(r.Now))
}
