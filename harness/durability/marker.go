package durability

import (
	"bytes"
	"encoding/binary"
	"time"
)

// marker knows the bytes that make each commit recognisable, whatever the format
// of the file is. Every commit has a number; there are two kinds of commit.
//
// A put carries, as often as its value has room, 8 bytes that are the same in
// the whole pass and 8 that are its number (little endian): a copy that a block
// boundary of a log cuts in two does not hide the others.
//
// A renewal may be logged as a delta, so its expiry is its marker: the lower
// 4 bytes are the same in the whole pass and the upper 4 count. Upper bytes one
// apart are 4.3 s apart.
type marker struct {
	Prefix [8]byte `json:"prefix"`
	Low    uint32  `json:"low"`
	High   uint32  `json:"high"` // upper bytes of the expiry of commit 0
}

// maxCommits bounds the numbers, so that random bytes pass for a renewal with a
// probability of 2^-48 per position at most.
const maxCommits = 1 << 16

// hit is a commit's marker at an offset within the bytes that were searched.
type hit struct {
	commit int
	at     int64
	length int64
}

// newMarker makes a marker from 12 random bytes. Its expiries begin half an hour
// after now and stay valid for days.
func newMarker(random [12]byte, now time.Time) marker {
	return marker{
		Prefix: [8]byte(random[:8]),
		Low:    binary.LittleEndian.Uint32(random[8:]),
		High:   uint32(now.Add(30*time.Minute).UnixNano() >> 32),
	}
}

// fill writes the marker of a put into all of b, which holds several copies of it.
func (m *marker) fill(b []byte, commit int) {
	var one [16]byte
	copy(one[:], m.Prefix[:])
	binary.LittleEndian.PutUint64(one[8:], uint64(commit))
	for len(b) > 0 {
		b = b[copy(b, one[:]):]
	}
}

// expiry is the expiry that marks a renewal, ns since the Unix epoch.
func (m *marker) expiry(commit int) int64 {
	return int64(uint64(m.High+uint32(commit))<<32 | uint64(m.Low))
}

// find appends every marker in b to hits. Several hits of one commit are usual.
func (m *marker) find(b []byte, hits []hit) []hit {
	for at := 0; ; {
		i := bytes.Index(b[at:], m.Prefix[:])
		if i < 0 || at+i+16 > len(b) {
			break
		}
		at += i
		if n := binary.LittleEndian.Uint64(b[at+8:]); n < maxCommits {
			hits = append(hits, hit{int(n), int64(at), 16})
		}
		at += 8
	}
	var low [4]byte
	binary.LittleEndian.PutUint32(low[:], m.Low)
	hits = m.findExpiries(b, low[:], func(at int) (uint32, int) {
		if at+8 > len(b) {
			return 0, -1
		}
		return binary.LittleEndian.Uint32(b[at+4:]), at
	}, hits)
	binary.BigEndian.PutUint32(low[:], m.Low)
	return m.findExpiries(b, low[:], func(at int) (uint32, int) {
		if at < 4 {
			return 0, -1
		}
		return binary.BigEndian.Uint32(b[at-4:]), at - 4
	}, hits)
}

// findExpiries looks for the lower half of an expiry; high gives the upper half
// beside it and where the whole begins, or -1.
func (m *marker) findExpiries(b, low []byte, high func(at int) (uint32, int), hits []hit) []hit {
	for at := 0; ; at++ {
		i := bytes.Index(b[at:], low)
		if i < 0 {
			return hits
		}
		at += i
		if h, begin := high(at); begin >= 0 && h-m.High < maxCommits {
			hits = append(hits, hit{int(h - m.High), int64(begin), 8})
		}
	}
}
