package image

import (
	"context"
	"fmt"
	"sort"

	"orbitbench/engines/internal/index"
)

// Verify reads every chunk, checks that its blocks are where the end says, and
// returns how many records there are. progress is told how far in the file it is.
func (s *File) Verify(ctx context.Context, progress func(offset int64)) (records uint64, err error) {
	err = s.each(ctx, func(i int, payload []byte) error {
		n, err := s.checkChunk(i, payload)
		records += n
		progress(s.lanes[0].ChunkOffset(i))
		return err
	})
	return records, err
}

// Dump prints the structure of the file for people, one line a call; describe is what it prints of a record.
func (s *File) Dump(ctx context.Context, printf func(format string, args ...any), describe func(*index.Op) string) error {
	r := s.lanes[0]
	printf("%s: start %d, hash seed %016x, %d chunks, %d bytes\n", s.name, s.head.start, s.head.seed, r.Chunks(), r.Size())
	err := s.each(ctx, func(i int, payload []byte) error {
		printf("  chunk %d: %d bytes, first tag %08x\n", i, len(payload), s.end.tags[i])
		return eachBlock(payload, func(o *index.Op) error { printf("    %s\n", describe(o)); return nil })
	})
	if err != nil {
		return err
	}
	printf("  end: log needed up to record %d\n", s.end.upTo)
	for i, info := range s.end.stripes {
		if info.Records > 0 || info.Floor > 0 {
			printf("    stripe %02x: %d records of %d bytes up to version %d, deleted up to version %d\n",
				i, info.Records, info.Bytes, info.Highest, info.Floor)
		}
	}
	return nil
}

// each calls f with the payload of each chunk but the end; its errors say what is wrong with the chunk.
func (s *File) each(ctx context.Context, f func(i int, payload []byte) error) error {
	r := s.lanes[0]
	var buf, payload []byte
	for i := range r.Chunks() - 1 {
		err := ctx.Err()
		if err != nil {
			return err
		}
		if payload, _, buf, err = r.Chunk(i, buf); err != nil {
			return err
		}
		if err := f(i, payload); err != nil {
			return s.corrupt(r.ChunkOffset(i), err)
		}
	}
	return nil
}

// checkChunk checks that the blocks of chunk i belong to their stripes and are in
// the order of their tags, and returns how many there are.
func (s *File) checkChunk(i int, payload []byte) (n uint64, err error) {
	at := s.chunks[i]
	stripe := sort.Search(index.Stripes, func(k int) bool { return s.begin[k+1] > at })
	tag, last := s.end.tags[i], uint32(0)
	err = eachBlock(payload, func(o *index.Op) error {
		for at >= s.begin[stripe+1] {
			stripe++
			last = 0
		}
		h := index.Hash(s.head.seed, o.Keyspace, o.Key)
		switch {
		case int(h>>56) != stripe || index.StripeOf(o.ID) != stripe:
			return fmt.Errorf("record %d with key %x in stripe %d, its hash is %016x", o.ID, o.Key, stripe, h)
		case n == 0 && uint32(h) != tag:
			return fmt.Errorf("tag %08x of record %d, the end says that the first is %08x", uint32(h), o.ID, tag)
		case uint32(h) < last:
			return fmt.Errorf("tag %08x of record %d follows %08x", uint32(h), o.ID, last)
		}
		last = uint32(h)
		at += int64(index.BlockBytes(o))
		n++
		return nil
	})
	return n, err
}
