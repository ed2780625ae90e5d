package mmapwal

import "hash/crc32"

// A page of sums, every 512th page of the table, holds the CRC-32C of the pages
// behind it (little endian):
//
//	 0       4                  8            2048     4096
//	+-------+------------------+-----  ------+--------+
//	| zero  | of the next page | of the 2nd  | zeros  |
//	+-------+------------------+-----  ------+--------+
//
// Its own checksum is in the root. So an old page under the right number is told as
// well as a damaged one, and so is an old page of sums. The sum of a page that is free means nothing.

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func checksum(b []byte) uint32 { return crc32.Checksum(b, castagnoli) }

func sumsOf(p uint32) uint32 { return p &^ groupMask }

// checkSum compares a page with its checksum.
func (e *engine) checkSum(p uint32) error {
	want, err := e.sumFor(p)
	if err != nil {
		return err
	}
	if have := checksum(e.page(p)[:]); have != want {
		return e.corrupt(p, 0, "page %d has checksum %08x, want %08x", p, have, want)
	}
	return nil
}

// sumFor returns the checksum that a page should have.
func (e *engine) sumFor(p uint32) (uint32, error) {
	e.sumMu.Lock()
	defer e.sumMu.Unlock()
	sums := sumsOf(p)
	if err := e.verifySums(sums); err != nil {
		return 0, err
	}
	return le.Uint32(e.page(sums)[p&groupMask*4:]), nil
}

func (e *engine) verifySums(sums uint32) error {
	if e.flags[sums]&flagVerified != 0 {
		return nil
	}
	group := sums >> groupBits
	if int(group) >= len(e.sumCRC) {
		return e.corrupt(sums, 0, "page of sums %d is not known to the root, which has %d", group, len(e.sumCRC))
	}
	if have := checksum(e.page(sums)[:]); have != e.sumCRC[group] {
		return e.corrupt(sums, 0, "page of sums has checksum %08x, the root says %08x", have, e.sumCRC[group])
	}
	e.flags[sums] |= flagVerified
	return nil
}

// pageSum is a page with its checksum.
type pageSum struct{ page, sum uint32 }

// updateSums enters new checksums, which are in the order of pages, and calls
// yield with every page of sums that has changed.
func (e *engine) updateSums(list []pageSum, yield func(p uint32, mem []byte) error) error {
	for len(list) > 0 {
		sums := sumsOf(list[0].page)
		n := 0
		for n < len(list) && sumsOf(list[n].page) == sums {
			n++
		}
		if err := e.updateGroup(sums, list[:n]); err != nil {
			return err
		}
		if err := yield(sums, e.page(sums)[:]); err != nil {
			return err
		}
		list = list[n:]
	}
	return nil
}

func (e *engine) updateGroup(sums uint32, list []pageSum) error {
	e.sumMu.Lock()
	defer e.sumMu.Unlock()
	group := sums >> groupBits
	if int(group) < len(e.sumCRC) {
		if err := e.verifySums(sums); err != nil {
			return err
		}
	}
	for int(group) >= len(e.sumCRC) {
		e.sumCRC = append(e.sumCRC, checksum(make([]byte, pageBytes)))
	}
	if e.flags[sums]&flagVerified == 0 { // its first use: what the file holds there means nothing
		clear(e.page(sums)[:])
		e.flags[sums] |= flagVerified
	}
	for _, s := range list {
		le.PutUint32(e.page(sums)[s.page&groupMask*4:], s.sum)
	}
	e.sumCRC[group] = checksum(e.page(sums)[:])
	return nil
}
