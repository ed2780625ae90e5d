package arena

import "math/bits"

// Size classes: multiples of 16 bytes up to 1 KiB, then eight steps per
// doubling, so that at most one eighth of a larger block is slack.
const (
	unit        = 16
	smallLimit  = 1024
	smallCount  = smallLimit / unit
	stepsPerDbl = 8
	maxLog      = 23 // blocks up to 8 MiB
	numClasses  = smallCount + (maxLog-10)*stepsPerDbl

	// MaxBlock is the largest block that Alloc gives, in bytes.
	MaxBlock = 1 << maxLog
)

// classOf returns the size class of n bytes, 1 <= n <= MaxBlock.
func classOf(n int) int {
	if n <= smallLimit {
		return (n+unit-1)/unit - 1
	}
	top := bits.Len(uint(n-1)) - 1 // 2^top < n <= 2^(top+1)
	step := 1 << top / stepsPerDbl
	return smallCount + (top-10)*stepsPerDbl + ((n-1)-(1<<top))/step
}

// classBytes returns the size of the blocks of a class.
func classBytes(c int) int {
	if c < smallCount {
		return (c + 1) * unit
	}
	c -= smallCount
	top := 10 + c/stepsPerDbl
	return 1<<top + (c%stepsPerDbl+1)*(1<<top/stepsPerDbl)
}

// BlockBytes returns the size of the block that holds n bytes, 1 <= n <= MaxBlock.
// Files hold blocks of these sizes: it must not change.
func BlockBytes(n int) int { return classBytes(classOf(n)) }

// SameClass reports whether blocks of m and n bytes are interchangeable.
func SameClass(m, n int) bool { return classOf(m) == classOf(n) }
