package engines

import (
	"bytes"
	"fmt"
	"slices"

	"orbitbench/engines/lease"
)

// Version is the version of a record, assigned by the engine. 0 means that the
// record does not exist.
type Version uint64

// Limits of the contract. Every engine takes at least this much; a batch that
// asks for more is refused with ErrInvalid before anything is applied.
const (
	MaxKeyBytes   = 448     // length of a key; at least 1
	MaxValueBytes = 1 << 20 // length of a value; may be 0
	MaxBatchOps   = 4096    // operations in one batch
	MaxBatchBytes = 4 << 20 // sum of the keys and values of one batch
)

// OpKind is what an Op does.
type OpKind uint8

// The kinds of operation.
const (
	OpPut    OpKind = iota + 1 // create or replace the record
	OpDelete                   // remove the record; no error if it does not exist
	OpRenew                    // extend the lease under Key by Renewal (keyspace Leases only)
)

// Op is one operation of a batch.
type Op struct {
	Kind     OpKind
	Keyspace Keyspace
	Key      []byte
	Value    []byte        // OpPut
	Renewal  lease.Renewal // OpRenew

	// Assigned is set by Apply when it returns nil: the version that the
	// record now has (OpPut, OpRenew), or 0 (OpDelete).
	Assigned Version
}

// Condition demands that a record has exactly this version before the batch;
// Version 0 demands that it does not exist.
type Condition struct {
	Keyspace Keyspace
	Key      []byte
	Version  Version
}

// Batch is a set of operations that commit together if every condition holds.
// The zero value is an empty batch; Reset makes it reusable without allocation.
//
// A batch keeps the slices that it is given: they belong to the caller, who
// must not change them until Apply has returned. Engines copy what they keep.
// A key may stand in at most one operation. A Batch is for one goroutine.
type Batch struct {
	Ops        []Op
	Conditions []Condition

	order []int32 // scratch of Validate
}

// Reset empties b and keeps its memory.
func (b *Batch) Reset() {
	clear(b.Ops)
	clear(b.Conditions)
	b.Ops, b.Conditions = b.Ops[:0], b.Conditions[:0]
}

// Put adds an operation that creates or replaces a record.
func (b *Batch) Put(ks Keyspace, key, value []byte) {
	b.Ops = append(b.Ops, Op{Kind: OpPut, Keyspace: ks, Key: key, Value: value})
}

// Delete adds an operation that removes a record if it exists.
func (b *Batch) Delete(ks Keyspace, key []byte) {
	b.Ops = append(b.Ops, Op{Kind: OpDelete, Keyspace: ks, Key: key})
}

// Renew adds an operation that extends the lease under key. Apply fails with
// ErrNotFound if there is none and with lease.ErrExpired if it ran out at or
// before r.Now.
func (b *Batch) Renew(key []byte, r lease.Renewal) {
	b.Ops = append(b.Ops, Op{Kind: OpRenew, Keyspace: Leases, Key: key, Renewal: r})
}

// Require adds a condition. Conditions are judged against the state before the batch.
func (b *Batch) Require(ks Keyspace, key []byte, v Version) {
	b.Conditions = append(b.Conditions, Condition{Keyspace: ks, Key: key, Version: v})
}

// Validate checks b against the limits and rules of the contract. Engines call
// it first; its errors are ErrInvalid.
func (b *Batch) Validate() error {
	if len(b.Ops) > MaxBatchOps {
		return fmt.Errorf("%w: batch of %d operations, at most %d", ErrInvalid, len(b.Ops), MaxBatchOps)
	}
	size := 0
	for i := range b.Ops {
		op := &b.Ops[i]
		if err := ValidateKey(op.Keyspace, op.Key); err != nil {
			return err
		}
		if len(op.Value) > MaxValueBytes {
			return fmt.Errorf("%w: value of %d bytes, at most %d", ErrInvalid, len(op.Value), MaxValueBytes)
		}
		switch op.Kind {
		case OpPut, OpDelete:
		case OpRenew:
			if op.Keyspace != Leases {
				return fmt.Errorf("%w: renew in keyspace %s, only %s has leases", ErrInvalid, op.Keyspace, Leases)
			}
		default:
			return fmt.Errorf("%w: unknown operation %d", ErrInvalid, op.Kind)
		}
		size += len(op.Key) + len(op.Value)
	}
	if size > MaxBatchBytes {
		return fmt.Errorf("%w: batch of %d bytes, at most %d", ErrInvalid, size, MaxBatchBytes)
	}
	for i := range b.Conditions {
		if err := ValidateKey(b.Conditions[i].Keyspace, b.Conditions[i].Key); err != nil {
			return err
		}
	}
	return b.validateDistinct()
}

// smallBatch is where comparing all pairs stops being cheaper than sorting.
const smallBatch = 8

func (b *Batch) validateDistinct() error {
	if len(b.Ops) <= smallBatch {
		for i := range b.Ops {
			for j := range i {
				if b.compareOps(i, j) == 0 {
					return b.duplicate(i)
				}
			}
		}
		return nil
	}
	b.order = b.order[:0]
	for i := range b.Ops {
		b.order = append(b.order, int32(i))
	}
	slices.SortFunc(b.order, func(x, y int32) int { return b.compareOps(int(x), int(y)) })
	for i := 1; i < len(b.order); i++ {
		if b.compareOps(int(b.order[i-1]), int(b.order[i])) == 0 {
			return b.duplicate(int(b.order[i]))
		}
	}
	return nil
}

func (b *Batch) compareOps(i, j int) int {
	x, y := &b.Ops[i], &b.Ops[j]
	if x.Keyspace != y.Keyspace {
		return int(x.Keyspace) - int(y.Keyspace)
	}
	return bytes.Compare(x.Key, y.Key)
}

func (b *Batch) duplicate(i int) error {
	return fmt.Errorf("%w: key %x of %s stands in two operations of one batch", ErrInvalid, b.Ops[i].Key, b.Ops[i].Keyspace)
}

// ValidateKey checks a keyspace and the length of a key; its errors are ErrInvalid.
func ValidateKey(ks Keyspace, key []byte) error {
	if !ks.Valid() {
		return fmt.Errorf("%w: unknown keyspace %d", ErrInvalid, uint8(ks))
	}
	if len(key) == 0 || len(key) > MaxKeyBytes {
		return fmt.Errorf("%w: key of %d bytes, want 1 to %d", ErrInvalid, len(key), MaxKeyBytes)
	}
	return nil
}
