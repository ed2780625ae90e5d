package adapter

import (
	"encoding/binary"
	"errors"
	"fmt"

	"orbitbench/engines"
)

// Bytes of a stored record (little endian):
//
//	 0                              8
//	+------------------------------+----------------------+
//	| version, u64, at least 1     | value ... to the end |
//	+------------------------------+----------------------+
const (
	// VersionBytes is the length of the version in front of each value.
	VersionBytes = 8

	// MaxRecordBytes is the longest record.
	MaxRecordBytes = VersionBytes + engines.MaxValueBytes
)

// ErrRecord: the bytes are no record of this package.
var ErrRecord = errors.New("malformed record")

// AppendRecord appends the record of value at version v to dst.
func AppendRecord(dst []byte, v engines.Version, value []byte) []byte {
	dst = binary.LittleEndian.AppendUint64(dst, uint64(v))
	return append(dst, value...)
}

// PutRecord writes the record of value at version v to dst, which must be
// exactly VersionBytes + len(value) long.
func PutRecord(dst []byte, v engines.Version, value []byte) {
	binary.LittleEndian.PutUint64(dst, uint64(v))
	copy(dst[VersionBytes:], value)
}

// AppendValue appends the value of a record to dst. Its errors are ErrRecord.
func AppendValue(dst, record []byte) ([]byte, engines.Version, error) {
	v, value, err := DecodeRecord(record)
	return append(dst, value...), v, err
}

// RecordError makes ErrRecord a *CorruptError of a file, and leaves every other error as it is.
func RecordError(file string, err error) error {
	if errors.Is(err, ErrRecord) {
		return &engines.CorruptError{File: file, Offset: -1, Reason: err.Error()}
	}
	return err
}

// DecodeRecord splits a record. The value is a part of b. Its errors are ErrRecord.
func DecodeRecord(b []byte) (engines.Version, []byte, error) {
	if len(b) < VersionBytes {
		return 0, nil, fmt.Errorf("%w of %d bytes, at least %d", ErrRecord, len(b), VersionBytes)
	}
	v := engines.Version(binary.LittleEndian.Uint64(b))
	if v == 0 {
		return 0, nil, fmt.Errorf("%w: version 0 is that of a record that does not exist", ErrRecord)
	}
	return v, b[VersionBytes:], nil
}

// Decoded makes yield take the records of a scan of file as they are stored.
func Decoded(file string, yield Yield) func(key, record []byte) error {
	return func(key, record []byte) error {
		v, value, err := DecodeRecord(record)
		if err != nil {
			return RecordError(file, err)
		}
		return yield(key, value, v)
	}
}
