package crash

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"slices"

	"orbitbench/engines"
)

// Digest stands for the bytes of a value.
type Digest [16]byte

func digestOf(value []byte) Digest {
	sum := sha256.Sum256(value)
	return Digest(sum[:16])
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
func dumpStore(ctx context.Context, e engines.Engine) ([]Record, error) {
	all := []Record{}
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
