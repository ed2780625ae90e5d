package index

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"orbitbench/engines"
	"orbitbench/engines/internal/arena"
	"orbitbench/engines/lease"
)

// A store is open before its records are in memory. A stripe that is away has
// them in a snapshot, and what the log says of them since in its backlog. It comes
// in as a whole, when somebody needs it or when LoadAll gets to it. The first read
// of one record does not wait for that: it looks into the part of the snapshot that
// has the record. Commits, scans and snapshots bring in what they need first.

// Image is a snapshot from which an index takes its records when it needs them.
// Its functions are called from several goroutines. What is damaged is a
// *engines.CorruptError, and the index fails.
type Image struct {
	Stripes [Stripes]StripeInfo
	// Read fills dst with the blocks of a stripe. lane tells the callers of LoadAll
	// apart, from 1; 0 is everybody else.
	Read func(lane, stripe int, dst []byte) error
	// Part calls visit with the blocks of a part of the stripe, one or more times,
	// so that every block with this tag is met.
	Part func(stripe int, tag uint32, visit func(blocks []byte)) error
	// Damage makes what is wrong with a stripe's records an error.
	Damage func(stripe int, reason error) error
	// Done is called once, when the index needs the image no more.
	Done func()
}

// away is what a stripe has that is not in memory.
type away struct {
	number  int
	info    StripeInfo
	backlog []*deal // operations of the log, in its order
	shapes  int     // those of them that are no renewals
	puts    int     // and that are puts
	room    int64   // bytes that were promised for what is put
	peeked  bool    // a read was served from the image
}

func (a *away) empty() bool { return a.info.Bytes == 0 && len(a.backlog) == 0 }

// gate says why a stripe cannot be used as it is, in bits. The hot paths check it alone.
type gate uint8

const (
	gateAway   gate = 1 << iota // records are in the image
	gateBroken                  // they could not be brought in, or those of another stripe
	gateShut
)

// imageState is what the index has of its image.
type imageState struct {
	*Image
	away    atomic.Int32
	once    sync.Once
	broken  atomic.Pointer[error]
	breaker sync.WaitGroup
}

// SetImage makes every stripe one that is away. It is called before replay, on an
// empty index, after NewCache and SetCold. Memory for
// the records is promised now, and taken when they come in. Errors: engines.ErrFull.
func (ix *Index) SetImage(m *Image) error {
	total := int64(0)
	for i := range m.Stripes {
		total += m.Stripes[i].Bytes
	}
	if err := ix.arena.Promise(total); err != nil {
		return fullError(err)
	}
	ix.setAway(m)
	return nil
}

func (ix *Index) setAway(m *Image) {
	ix.image.Image = m
	for i := range ix.stripes {
		s, info := &ix.stripes[i], m.Stripes[i]
		s.floor, s.highest, s.live = uint64(info.Floor), uint64(info.Highest), uint64(info.Records)
		s.away = &away{number: i, info: info}
		s.gate |= gateAway
	}
	ix.image.away.Store(Stripes)
}

// enter makes sure that a stripe can be used, whose lock is held. Errors: ErrClosed, and
// why its records cannot be brought in.
func (ix *Index) enter(s *stripe) error {
	if s.gate == 0 {
		return nil
	}
	return ix.enterSlowly(s, false)
}

// enterSlowly is enter, for a caller that may go on in an index that is shut.
func (ix *Index) enterSlowly(s *stripe, shut bool) error {
	if s.gate&gateShut != 0 && !shut {
		return engines.ErrClosed
	}
	if s.gate&gateBroken != 0 {
		return fmt.Errorf("%w: %w", engines.ErrFailed, *ix.image.broken.Load())
	}
	if s.gate&gateAway != 0 {
		return ix.bringIn(s, 0)
	}
	return nil
}

// bringIn makes a stripe's records those of the image, brought up to date. Its lock
// is held. When it fails the whole index does.
func (ix *Index) bringIn(s *stripe, lane int) error {
	a := s.away
	err := ix.readImage(s, a, lane)
	if err == nil {
		err = ix.applyBacklog(s, a)
	}
	if err != nil {
		ix.fail(s, err)
		return err
	}
	s.away = nil
	s.gate &^= gateAway
	if ix.journal != nil {
		s.listFreeIDs() // else Start does
	}
	if ix.image.away.Add(-1) == 0 && ix.journal != nil {
		ix.doneWithFiles() // else Start is
	}
	return nil
}

// doneWithFiles lets go of the image and of the log's text, the first time.
func (ix *Index) doneWithFiles() {
	ix.image.once.Do(func() {
		if ix.image.Image != nil {
			ix.image.Done()
		}
		_ = ix.replayed.text.Close() // it was only read: nothing can be lost
	})
}

// applyBacklog brings the records of the image up to date, into memory that was promised for what is put.
func (ix *Index) applyBacklog(s *stripe, a *away) error {
	run, err := ix.arena.NewRun(a.room)
	if err != nil {
		return fullError(err)
	}
	defer run.Close()
	if s.table.Len() == 0 && a.room > 0 { // no image: most puts are of new records
		if err := s.table.Reserve(a.puts); err != nil {
			return fullError(err)
		}
	}
	if err := ix.applyDeals(s, &run, a.backlog...); err != nil {
		return ix.replayed.damage(err)
	}
	return nil
}

// readImage puts the records of the image into an empty stripe.
func (ix *Index) readImage(s *stripe, a *away, lane int) error {
	if a.info.Bytes == 0 {
		return nil
	}
	base, err := ix.arena.AllocRun(a.info.Bytes)
	if err != nil {
		return fullError(err)
	}
	b := ix.arena.Bytes(base, int(a.info.Bytes))
	if err := ix.image.Read(lane, a.number, b); err != nil {
		return err
	}
	if err := s.table.Reserve(int(a.info.Records)); err != nil {
		return fullError(err)
	}
	s.handles = make([]arena.Ref, a.info.Records, a.info.Records+a.info.Records/8)
	s.live = 0
	n := uint32(0)
	for off := 0; off < len(b); n++ {
		o, size, err := DecodeBlock(b[off:])
		if err == nil {
			err = ix.adopt(s, a.number, &o, base.At(off))
		}
		if errors.Is(err, engines.ErrFull) {
			return err
		}
		if err != nil {
			return ix.image.Damage(a.number, err)
		}
		off += size
	}
	if n != a.info.Records {
		return ix.image.Damage(a.number, fmt.Errorf("%d records, want %d", n, a.info.Records))
	}
	return nil
}

// adopt puts a block that is in memory into the index.
func (ix *Index) adopt(s *stripe, number int, o *Op, ref arena.Ref) error {
	h := ix.hash(o.Keyspace, o.Key)
	if int(h>>56) != number || StripeOf(o.ID) != number {
		return fmt.Errorf("key %x of record %d belongs to stripe %d", o.Key, o.ID, h>>56)
	}
	local := localOf(o.ID)
	for uint32(len(s.handles)) <= local {
		s.handles = append(s.handles, 0)
	}
	if s.handles[local] != 0 {
		return fmt.Errorf("record %d is there twice", o.ID)
	}
	s.handles[local] = ref
	ix.admit(s, o)
	return fullError(s.table.Insert(uint32(h), ref))
}

// fail refuses every later use of the index. The caller holds the lock of s, which fails at once.
func (ix *Index) fail(s *stripe, err error) {
	s.gate |= gateBroken
	if !ix.image.broken.CompareAndSwap(nil, &err) {
		return
	}
	ix.image.breaker.Go(func() {
		for i := range ix.stripes {
			t := &ix.stripes[i]
			t.mu.Lock()
			t.gate |= gateBroken
			t.mu.Unlock()
		}
	})
}

// peek reads a record of a stripe that is away, whose lock is held, without
// bringing it in. served is false if that must be done: the stripe was peeked at
// before, or its backlog is more than renewals.
func (ix *Index) peek(s *stripe, h uint64, ks engines.Keyspace, key, dst []byte) (value []byte, v engines.Version, served bool, err error) {
	a := s.away
	if s.gate != gateAway || a.peeked || a.shapes > 0 || a.info.Bytes == 0 {
		return dst, 0, false, nil
	}
	a.peeked = true
	var r record
	err = ix.image.Part(a.number, uint32(h), func(blocks []byte) {
		for len(blocks) > 0 {
			o, size, err := DecodeBlock(blocks)
			if err != nil {
				return // bringing it in tells
			}
			if o.Keyspace == ks && bytes.Equal(o.Key, key) {
				r = append(r[:0], blocks[:size]...)
			}
			blocks = blocks[size:]
		}
	})
	if err != nil {
		ix.fail(s, err)
		return dst, 0, true, err
	}
	if r == nil {
		return dst, 0, true, engines.ErrNotFound
	}
	if !ix.renewed(r, a.backlog) {
		return dst, 0, false, nil
	}
	return append(dst, r.value()...), r.version(), true, nil
}

// renewed brings a lease up to date with the renewals of a backlog, and reports whether it
// could: bringing the stripe in tells why not.
func (ix *Index) renewed(r record, backlog []*deal) (ok bool) {
	var fault error
	defer func() { ok = ok && fault == nil }()
	defer ix.guard(debug.SetPanicOnFault(true), &fault)
	isLease := r.keyspace() == engines.Leases && lease.CheckHead(r.value()) == nil
	for _, t := range backlog {
		for _, p := range t.places {
			o, err := ix.opAt(t, p)
			if err != nil {
				return false
			}
			if o.ID != r.id() || o.Version <= r.version() {
				continue
			}
			if !isLease {
				return false
			}
			o.Renewal.PatchChecked(r.value())
			le.PutUint32(r.value()[lease.HotOffset:], o.Renewals)
			r.setVersion(o.Version)
		}
	}
	return true
}

// Away returns how many stripes are not in memory.
func (ix *Index) Away() int { return int(ix.image.away.Load()) }

// firstReads is how long records stay in their image after Open but for
// those that are asked for: loading would compete with the first of these.
const firstReads = 5 * time.Millisecond

// Warm brings in every stripe in the background, and tells span of it. When ctx
// ends it returns nil; errors are those of LoadAll.
func (ix *Index) Warm(ctx context.Context, span func(kind string, begin, end time.Time, bytes uint64)) error {
	begin := time.Now()
	select {
	case <-ctx.Done():
		return nil
	case <-time.After(firstReads):
	}
	if err := ix.LoadAll(ctx); err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return err
	}
	span("load", begin, time.Now(), 0)
	return nil
}

// LoadAll brings in every stripe that is away, on one goroutine per processor.
// Errors: ctx.Err(), engines.ErrClosed, and why records cannot be brought in.
func (ix *Index) LoadAll(ctx context.Context) error {
	if ix.Away() == 0 {
		return nil
	}
	lanes := min(max(runtime.GOMAXPROCS(0), 1), 8)
	var turn atomic.Int64
	errs := make([]error, lanes)
	var wg sync.WaitGroup
	for lane := range lanes {
		wg.Go(func() {
			for errs[lane] == nil {
				i := int(turn.Add(1) - 1)
				if i >= Stripes {
					return
				}
				if errs[lane] = ctx.Err(); errs[lane] == nil {
					errs[lane] = ix.loadOne(&ix.stripes[i], lane+1)
				}
				runtime.Gosched() // reads that came meanwhile go first
			}
		})
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func (ix *Index) loadOne(s *stripe, lane int) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.gate == gateAway {
		return ix.bringIn(s, lane)
	}
	return ix.enter(s)
}
