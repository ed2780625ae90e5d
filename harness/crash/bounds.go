package crash

import "fmt"

// Bounds are what is known about one record of a store that is too large for a Model,
// such as the millions of leases of a recovery cell: the same invariants in their
// simplest form. Its records are committed one by one, so that no batch can be half
// there. A Bounds is a value; its methods are pure.
type Bounds struct {
	Least  uint64 // last version that was acknowledged and is bound to survive; 0: it may be absent
	Issued uint64 // highest version that may have been written; 0: it must be absent
}

// Judge says what a record breaks that came back at a version. contents says in what
// respect its bytes are not those that were written, nil if they are.
func (b Bounds) Judge(version uint64, contents error) (v Violation, broken bool) {
	switch {
	case b.Issued == 0:
		return Violation{"phantom", "a key that was never written", fmt.Sprintf("at version %d, and was released or never acknowledged", version)}, true
	case version < b.Least:
		return Violation{"durability", lostCommits, fmt.Sprintf("at version %d, acknowledged was %d", version, b.Least)}, true
	case version > b.Issued:
		return Violation{"phantom", neverGranted, fmt.Sprintf("at version %d, issued was at most %d", version, b.Issued)}, true
	case contents != nil:
		return Violation{"phantom", neverWritten, fmt.Sprintf("damaged: %v", contents)}, true
	}
	return Violation{}, false
}

// Missing says what is broken if the record did not come back.
func (b Bounds) Missing() (v Violation, broken bool) {
	if b.Least == 0 {
		return Violation{}, false
	}
	return Violation{"durability", lostCommits, fmt.Sprintf("acknowledged at version %d, is missing", b.Least)}, true
}

// Grant says what is broken if a version is granted after the crash.
func (b Bounds) Grant(version uint64) (v Violation, broken bool) {
	if version > b.Issued {
		return Violation{}, false
	}
	return Violation{"fencing", grantedAgain, fmt.Sprintf("was granted version %d after %d had been acknowledged", version, b.Issued)}, true
}

// The patterns that a Model and Bounds share.
const (
	lostCommits  = "acknowledged commits lost"
	neverGranted = "a version that was never granted"
	neverWritten = "a value that was never written"
	grantedAgain = "a version was granted again"
)
