package directory

// arenaBlock is larger than any one slice that a session takes, values apart.
const arenaBlock = 16 << 10

// arena hands out memory that stays where it is until reset: a batch keeps the
// slices that it is given.
type arena struct {
	blocks [][]byte
	block  int // index of the block in use
}

func (a *arena) reset() {
	for i := range a.blocks {
		a.blocks[i] = a.blocks[i][:0]
	}
	a.block = 0
}

// take returns an empty slice with room for n bytes.
func (a *arena) take(n int) []byte {
	for ; a.block < len(a.blocks); a.block++ {
		b := a.blocks[a.block]
		if cap(b)-len(b) >= n {
			at := len(b)
			a.blocks[a.block] = b[:at+n]
			return b[at : at : at+n]
		}
	}
	a.blocks = append(a.blocks, make([]byte, n, max(n, arenaBlock)))
	return a.blocks[a.block][:0:n]
}

func (a *arena) copy(b []byte) []byte { return append(a.take(len(b)), b...) }

// keyList is a list of keys in one slice.
type keyList struct {
	bytes []byte
	ends  []int
}

func (l *keyList) reset() { l.bytes, l.ends = l.bytes[:0], l.ends[:0] }

func (l *keyList) add(key []byte) {
	l.bytes = append(l.bytes, key...)
	l.ends = append(l.ends, len(l.bytes))
}

func (l *keyList) at(i int) []byte {
	begin := 0
	if i > 0 {
		begin = l.ends[i-1]
	}
	return l.bytes[begin:l.ends[i]:l.ends[i]]
}
