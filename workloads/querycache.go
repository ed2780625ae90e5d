package workloads

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"

	"orbitbench/engines/lease"
)

// Operations on the query cache.
const (
	QueryGet = iota // look a query up
	QueryPut        // store a result, new or in place of an older one

	numQueryOps = QueryPut + 1
)

var queryOpNames = [numQueryOps]string{"get", "put"}

// Queries is a population of Params.Actors queries whose results are cached for
// Params.LeaseSeconds, in whole seconds. All workers ask for all of them, by
// Params.Distribution. It is immutable and safe for concurrent use.
type Queries struct {
	params Params
	seed   uint64
	zipf   *zipf
	stride uint64 // scatters Zipf ranks over the queries
}

// queryOverhead is the size of an entry without its result.
var queryOverhead = len(encoded((&lease.QueryEntry{}).AppendBinary(nil)))

// QueryKeyBytes is the length of a key: a hash of 128 bits.
const QueryKeyBytes = 16

func (p *Params) validateQueries() error {
	if p.ValueBytes < queryOverhead {
		return fmt.Errorf("value_bytes is %d, an entry of this workload takes at least %d", p.ValueBytes, queryOverhead)
	}
	if p.LeaseSeconds < 1 || p.LeaseSeconds != math.Trunc(p.LeaseSeconds) {
		return fmt.Errorf("lease_seconds is %v, want whole seconds: it is the entries' time to live", p.LeaseSeconds)
	}
	return nil
}

// NewQueries returns the queries of p under seed.
func NewQueries(p Params, seed uint64) (*Queries, error) {
	if p.Store != StoreQueryCache {
		return nil, fmt.Errorf("store is %q, want %s", p.Store, StoreQueryCache)
	}
	if err := p.Validate(); err != nil {
		return nil, err
	}
	q := &Queries{params: p, seed: mix(seed ^ golden)}
	if p.Distribution == Zipf {
		q.zipf, q.stride = newZipf(p.Actors, p.ZipfS), coprimeStride(uint64(p.Actors))
	}
	return q, nil
}

// Size is the number of queries.
func (q *Queries) Size() int { return q.params.Actors }

// Prefilled is how many of them, the first ones, are cached before the load.
func (q *Queries) Prefilled() int {
	return int(math.Round(q.params.Prefill * float64(q.params.Actors)))
}

// AppendKey appends the hash of a query to dst.
func (q *Queries) AppendKey(dst []byte, query int) []byte {
	dst = binary.BigEndian.AppendUint64(dst, q.word(query))
	return binary.BigEndian.AppendUint64(dst, uint64(query)^q.seed)
}

// word is a bijection of the query's number, so that keys are spread.
func (q *Queries) word(query int) uint64 { return mix(uint64(query) + q.seed) }

// QueryOf returns the query with that key, or false if there is none.
func (q *Queries) QueryOf(key []byte) (int, bool) {
	if len(key) != QueryKeyBytes {
		return 0, false
	}
	query := int(binary.BigEndian.Uint64(key[8:]) ^ q.seed)
	return query, query >= 0 && query < q.Size() && binary.BigEndian.Uint64(key) == q.word(query)
}

// TTL is how long an entry lives, in nanoseconds.
func (q *Queries) TTL() int64 { return int64(q.params.LeaseSeconds) * 1e9 }

// Fill sets *e to the entry of a query at time now (ns since the Unix epoch),
// Params.ValueBytes long. Its result follows from the seed, the query and the
// time, so that it can be checked by itself. The memory of e.Result is reused.
func (q *Queries) Fill(e *lease.QueryEntry, query int, now int64) {
	*e = lease.QueryEntry{CreatedAt: now, TTLSeconds: uint32(q.params.LeaseSeconds),
		Result: q.appendResult(e.Result[:0], query, now)}
}

func (q *Queries) appendResult(dst []byte, query int, now int64) []byte {
	r := random(mix(q.seed + uint64(query)*golden ^ uint64(now)))
	n := q.params.ValueBytes - queryOverhead
	for ; n >= 8; n -= 8 {
		dst = binary.LittleEndian.AppendUint64(dst, r.next())
	}
	for x := r.next(); n > 0; n-- {
		dst = append(dst, byte(x))
		x >>= 8
	}
	return dst
}

// Check reports in what respect an entry is none that this workload wrote for
// the query. scratch is reused between calls; nil is allowed.
func (q *Queries) Check(e *lease.QueryEntry, query int, scratch *[]byte) error {
	if scratch == nil {
		scratch = new([]byte)
	}
	if int64(e.TTLSeconds)*1e9 != q.TTL() {
		return fmt.Errorf("its time to live is %d s, want %v s", e.TTLSeconds, q.params.LeaseSeconds)
	}
	*scratch = q.appendResult((*scratch)[:0], query, e.CreatedAt)
	if !bytes.Equal(*scratch, e.Result) {
		return fmt.Errorf("its result differs from what was written")
	}
	return nil
}

// QuerySteps draws the steps of one worker.
type QuerySteps struct {
	rng     random
	cuts    []uint64
	queries *Queries
}

var _ Stepper = (*QuerySteps)(nil)

// Steps returns the steps of each worker.
func (q *Queries) Steps(seed uint64) []*QuerySteps {
	cuts := cutsOf(q.params.Mix, queryOpNames[:])
	all := make([]*QuerySteps, q.params.Workers)
	for w := range all {
		all[w] = &QuerySteps{rng: newRandom(seed, w), cuts: cuts, queries: q}
	}
	return all
}

// Next implements Stepper.
func (g *QuerySteps) Next(s *Step) {
	x := g.rng.next()
	s.Op = drawOp(g.cuts, x&(1<<32-1))
	n := uint64(g.queries.params.Actors)
	if z := g.queries.zipf; z != nil {
		s.Item = int(uint64(z.next(&g.rng)) * g.queries.stride % n)
		return
	}
	s.Item = int(x >> 32 * n >> 32)
}
