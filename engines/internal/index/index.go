package index

import (
	"errors"
	"sync"
	"sync/atomic"

	"orbitbench/engines"
	"orbitbench/engines/internal/arena"
	"orbitbench/engines/internal/meta"
	"orbitbench/engines/internal/order"
	"orbitbench/engines/internal/wal"
	"orbitbench/engines/lease"
)

// Stripes is the number of stripes. It is part of the formats of files, as ids hold it.
const Stripes = 256

// MaxLocal is the number of ids in a stripe.
const MaxLocal = 1 << 24

// StripeOf returns the stripe of a record id, which is its low byte.
func StripeOf(id uint32) int { return int(id % Stripes) }

func localOf(id uint32) uint32 { return id / Stripes }

// Op is one operation on one record, as logs and snapshots hold it.
type Op struct {
	Kind       engines.OpKind
	Keyspace   engines.Keyspace
	ID         uint32          // of the record
	Renewals   uint32          // OpRenew: renewal_count after it
	Version    engines.Version // after the operation; OpDelete: one above the deleted one
	Renewal    lease.Renewal   // OpRenew
	Key, Value []byte          // OpPut
}

// Delta is a renewal in the log: what it changes, and where.
type Delta struct {
	ID       uint32
	Renewals uint32 // renewal_count after the renewal
	Version  engines.Version
	Renewal  lease.Renewal
}

// Scratch is memory of a stripe for one encoded renewal; its content is the journal's.
type Scratch [64]byte

// Journal logs what is committed. The index calls it under the
// locks of the stripes concerned.
type Journal interface {
	// LogBatch appends the operations of a batch (AppendOp) as one record.
	LogBatch(ops []byte) (wal.LSN, error)
	// LogRenewal appends one renewal.
	LogRenewal(scratch *Scratch, d Delta) (wal.LSN, error)
}

// Index is the records of a store in memory. New makes one; an engine replays
// its files into it, calls Start, and from then on it is safe for concurrent use.
//
// Locks are taken in this order: viewMu, stripes by number, order.mu, limbo.mu.
type Index struct {
	seed     uint64
	arena    *arena.Arena
	tables   *arena.Tables // of the stripes
	journal  Journal
	log      *wal.Log
	deferred bool // commits are published when the log is durable: class sync

	lazy   *lazy         // class interval with renewals that are logged in rounds, or nil
	cold   Cold          // TimeSeries has cold records, or nil
	points atomic.Uint64 // records of TimeSeries that the index has been given
	cache  *Cache        // QueryCache is bounded, or nil

	expired func(value []byte) bool // a record of QueryCache counts as absent, or nil

	stripes [Stripes]stripe
	orders  [engines.NumKeyspaces]order.Set
	limbo   limbo
	image   imageState

	replayed replayed

	inflight sync.WaitGroup // commits that wait for the log; grows under a stripe's lock only

	meta *meta.Keeper    // says which versions may be assigned
	base engines.Version // every version assigned is above it; does not change after Start

	viewMu  sync.Mutex
	viewSeq uint64 // guarded by viewMu
	views   int    // open ones; guarded by viewMu
}

// minBlock is the size of the smallest record's block.
const minBlock = 32

// New returns an empty index whose records take up to memoryLimit bytes; 0
// means as much as can be addressed. seed is that of the hash of keys.
func New(memoryLimit int64, seed uint64) (*Index, error) {
	a, err := arena.New(memoryLimit)
	if err != nil {
		return nil, err
	}
	most := int64(MaxLocal)
	if memoryLimit > 0 {
		most = min(most, memoryLimit/minBlock)
	}
	t, err := arena.NewTables(Stripes, most)
	if err != nil {
		return nil, errors.Join(err, a.Close())
	}
	ix := &Index{seed: seed, arena: a, tables: t}
	for i := range ix.stripes {
		ix.stripes[i].table = t.Table(i)
	}
	return ix, nil
}

// Start ends replay. k is ready to assign versions (meta.Keeper.Reserve was called).
func (ix *Index) Start(j Journal, log *wal.Log, class engines.Class, k *meta.Keeper) {
	ix.journal, ix.log, ix.deferred = j, log, class == engines.Sync
	ix.meta, ix.base = k, engines.Version(k.Base())
	bare := true // nothing has to be read: the store is new
	for i := range ix.stripes {
		s := &ix.stripes[i]
		bare = bare && (s.away == nil || s.away.empty())
		if s.away == nil {
			s.listFreeIDs()
		}
	}
	for i := range ix.stripes {
		if s := &ix.stripes[i]; bare && s.away != nil {
			_ = ix.bringIn(s, 0) // of nothing: it cannot fail
		}
	}
	if ix.Away() == 0 {
		ix.doneWithFiles()
	}
}

// Highest returns the highest version that replay met, of deleted records too.
func (ix *Index) Highest() engines.Version {
	var v uint64
	for i := range ix.stripes {
		v = max(v, ix.stripes[i].highest, ix.stripes[i].floor)
	}
	return engines.Version(v)
}

// AddStats adds what the index counts: commits, conflicts, records and the bytes of its tables.
func (ix *Index) AddStats(st *engines.Stats) {
	var tables int64
	for i := range ix.stripes {
		s := &ix.stripes[i]
		s.mu.Lock()
		if s.away != nil && (s.away.shapes > 0 || ix.cold != nil && ix.cold.Len() > 0) {
			// How many records there are shows when its backlog is applied, and which of them hide cold ones. A
			// failure is told to whoever uses the stripe.
			_ = ix.enter(s)
		}
		st.Commits += s.commits
		st.Conflicts += s.conflicts
		st.Records += s.live
		tables += s.table.SizeBytes() + int64(cap(s.handles)+cap(s.freeIDs))*4 + int64(cap(s.deltas))*DeltaBytes + int64(cap(s.encoded))
		s.mu.Unlock()
	}
	for i := range ix.orders {
		tables += ix.orders[i].Bytes()
	}
	st.TableBytes += uint64(tables + ix.arena.HeldBytes())
}

// SetExpired makes conditions take records of QueryCache of which f says so for
// absent. It is called before Start, and f under the locks of stripes.
func (ix *Index) SetExpired(f func(value []byte) bool) { ix.expired = f }

// UsedBytes returns the size of all records in memory.
func (ix *Index) UsedBytes() int64 { return ix.arena.UsedBytes() }

// Shut refuses every commit and read from now on with ErrClosed, and waits for
// the commits that have been logged.
func (ix *Index) Shut() {
	for i := range ix.stripes {
		s := &ix.stripes[i]
		s.mu.Lock()
		s.gate |= gateShut
		s.mu.Unlock()
	}
	ix.inflight.Wait()
	if ix.lazy != nil {
		ix.lazy.shut()
	}
}

// open reports whether the index is open, as an error if not.
func (ix *Index) open() error {
	s := &ix.stripes[0]
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.gate&gateShut != 0 {
		return engines.ErrClosed
	}
	return nil
}

// Close frees the memory once no scan is using it. The index is shut, or was never started.
func (ix *Index) Close() error {
	ix.image.breaker.Wait()
	ix.doneWithFiles()
	for i := range ix.orders {
		ix.orders[i].Close()
	}
	for i := range ix.stripes {
		s := &ix.stripes[i]
		s.mu.Lock()
		s.gate |= gateShut
		s.table = arena.Table{}
		s.mu.Unlock()
	}
	return errors.Join(ix.tables.Close(), ix.arena.Close())
}
