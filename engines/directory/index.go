package directory

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	"orbitbench/engines"
	"orbitbench/engines/lease"
)

// Index records of a lease, in keyspace Index (integers big endian, so that
// keys sort by them):
//
//	by node:    'n' | length of node id u8 | node id | lease key  ->  due u64
//	by expiry:  'e' | due u64 | lease key                         ->  (nothing)
//
// due is the expiry of the lease when it was granted or last looked at by a
// sweep, with its sign bit turned so that negative times sort first. Every lease
// has exactly one record of each kind. Whoever adds, moves or removes the expiry
// record also writes the node record, whose version therefore guards both.
const (
	tagNode   = 'n'
	tagExpiry = 'e'

	dueBytes     = 8
	maxNodeBytes = 255
)

func encodeDue(dst []byte, t int64) []byte {
	return binary.BigEndian.AppendUint64(dst, uint64(t)^1<<63)
}

func decodeDue(b []byte) int64 { return int64(binary.BigEndian.Uint64(b) ^ 1<<63) }

func appendNodePrefix[T string | []byte](dst []byte, node T) []byte {
	dst = append(dst, tagNode, byte(len(node)))
	return append(dst, node...)
}

func appendExpiryKey(dst []byte, due int64, key []byte) []byte {
	return append(encodeDue(append(dst, tagExpiry), due), key...)
}

// checkIndexed reports whether the index keys of a lease fit into the contract's limits.
func checkIndexed(node string, key []byte) error {
	if len(node) > maxNodeBytes {
		return fmt.Errorf("%w: node id of %d bytes, at most %d", engines.ErrInvalid, len(node), maxNodeBytes)
	}
	if n := 2 + len(node) + len(key); n > engines.MaxKeyBytes || 1+dueBytes+len(key) > engines.MaxKeyBytes {
		return fmt.Errorf("%w: node id of %d bytes and lease key of %d bytes do not fit into an index key of %d bytes",
			engines.ErrInvalid, len(node), len(key), engines.MaxKeyBytes)
	}
	return nil
}

// nodeKey builds the key of the node record in the arena.
func nodeKey[T string | []byte](a *arena, node T, key []byte) []byte {
	return append(appendNodePrefix(a.take(2+len(node)+len(key)), node), key...)
}

func (s *Session) expiryKey(due int64, key []byte) []byte {
	return appendExpiryKey(s.arena.take(1+dueBytes+len(key)), due, key)
}

// lookup reads the node record of a lease: when its expiry record is due, and
// the record's version, or engines.ErrNotFound.
func (s *Session) lookup(ctx context.Context, byNode []byte) (due int64, v engines.Version, err error) {
	raw, v, err := s.engine.Get(ctx, engines.Index, byNode, s.index[:0])
	if err != nil {
		return 0, 0, err
	}
	s.index = raw
	if len(s.index) != dueBytes {
		return 0, 0, fmt.Errorf("index record %x holds %d bytes, want %d: %w", byNode, len(s.index), dueBytes, lease.ErrFormat)
	}
	return decodeDue(s.index), v, nil
}

// unindex adds the removal of the index records of a lease that holder has,
// under the condition that they are as they are now. A lease without index
// records was not written by this package, and has none to remove.
func (s *Session) unindex(ctx context.Context, key, holder []byte) error {
	byNode := nodeKey(&s.arena, holder, key)
	due, v, err := s.lookup(ctx, byNode)
	if errors.Is(err, engines.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	s.batch.Require(engines.Index, byNode, v)
	s.batch.Delete(engines.Index, byNode)
	s.batch.Delete(engines.Index, s.expiryKey(due, key))
	return nil
}

// enter adds the index records of a lease. Where the batch removes a record of
// the same key already, the removal becomes the put: a batch names a key once.
func (s *Session) enter(key []byte, node string, due int64) {
	s.putIndex(nodeKey(&s.arena, node, key), encodeDue(s.arena.take(dueBytes), due))
	s.putIndex(s.expiryKey(due, key), nil)
}

func (s *Session) putIndex(key, value []byte) {
	for i := range s.batch.Ops {
		if op := &s.batch.Ops[i]; op.Kind == engines.OpDelete && string(op.Key) == string(key) {
			op.Kind, op.Value = engines.OpPut, value
			return
		}
	}
	s.batch.Put(engines.Index, key, value)
}

// prefixEnd returns the least key above all that begin with prefix, in place.
// No prefix of this package consists of 0xff alone.
func prefixEnd(prefix []byte) []byte {
	for i := len(prefix) - 1; i >= 0; i-- {
		if prefix[i]++; prefix[i] != 0 {
			return prefix[:i+1]
		}
	}
	return nil
}
