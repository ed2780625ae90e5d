package crash

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"slices"

	"github.com/cespare/xxhash/v2"

	"orbitbench/engines"
)

// Digest stands for the bytes of a value: two independent hashes of 64 bits. No
// engine means to deceive it, and a slower one would be a third of a dump.
type Digest [16]byte

func digestOf(value []byte) (d Digest) {
	var second xxhash.Digest
	second.ResetWithSeed(0x9e3779b97f4a7c15)
	_, _ = second.Write(value) // it never fails
	binary.LittleEndian.PutUint64(d[:8], xxhash.Sum64(value))
	binary.LittleEndian.PutUint64(d[8:], second.Sum64())
	return d
}

// MarshalText writes hexadecimal digits.
func (d Digest) MarshalText() ([]byte, error) { return hex.AppendEncode(nil, d[:]), nil }

// UnmarshalText reads what MarshalText writes.
func (d *Digest) UnmarshalText(text []byte) error {
	raw, err := hex.DecodeString(string(text))
	copy(d[:], raw)
	return err
}

// Record is what a store holds under a key.
type Record struct {
	Keyspace engines.Keyspace `json:"ks"`
	Key      []byte           `json:"key"`
	Version  uint64           `json:"v"`
	Digest   Digest           `json:"d"`
}

func (r *Record) id() recordID { return recordID{r.Keyspace, string(r.Key)} }

// Records is a dump. In JSON it is one string (base64), since a process tells two
// for each crash, with hundreds of records each:
//
//	keyspace 1 | version uvarint | digest 16 | length of key uvarint | key   x records
type Records []Record

// MarshalJSON implements json.Marshaler.
func (rs Records) MarshalJSON() ([]byte, error) {
	packed := make([]byte, 0, 64*len(rs))
	for i := range rs {
		r := &rs[i]
		packed = append(packed, byte(r.Keyspace))
		packed = binary.AppendUvarint(packed, r.Version)
		packed = append(packed, r.Digest[:]...)
		packed = binary.AppendUvarint(packed, uint64(len(r.Key)))
		packed = append(packed, r.Key...)
	}
	return json.Marshal(packed)
}

// UnmarshalJSON implements json.Unmarshaler.
func (rs *Records) UnmarshalJSON(raw []byte) error {
	var packed []byte
	if err := json.Unmarshal(raw, &packed); err != nil {
		return err
	}
	*rs = nil
	for len(packed) > 0 {
		r := Record{Keyspace: engines.Keyspace(packed[0])}
		version, n := binary.Uvarint(packed[1:])
		if n <= 0 || len(packed) < 1+n+len(r.Digest) {
			return errShortDump
		}
		packed = packed[1+n:]
		r.Version, packed = version, packed[copy(r.Digest[:], packed):]
		size, n := binary.Uvarint(packed)
		if n <= 0 || size > uint64(len(packed)-n) {
			return errShortDump
		}
		r.Key, packed = packed[n:n+int(size):n+int(size)], packed[n+int(size):]
		*rs = append(*rs, r)
	}
	return nil
}

var errShortDump = errors.New("a dump of records ends early")

// recordID names a record.
type recordID struct {
	ks  engines.Keyspace
	key string
}

func compareRecords(a, b Record) int {
	if a.Keyspace != b.Keyspace {
		return int(a.Keyspace) - int(b.Keyspace)
	}
	return bytes.Compare(a.Key, b.Key)
}

// dumpStore reads everything, in order of keyspace and key.
func dumpStore(ctx context.Context, e engines.Engine) (Records, error) {
	all := Records{}
	for _, ks := range engines.AllKeyspaces() {
		err := e.Scan(ctx, ks, nil, nil, func(key, value []byte, v engines.Version) error {
			all = append(all, Record{Keyspace: ks, Key: slices.Clone(key), Version: uint64(v), Digest: digestOf(value)})
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	slices.SortFunc(all, compareRecords)
	return all, nil
}
