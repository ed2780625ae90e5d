package patience

import (
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
)

// SeedVariable is the variable of the environment that gives randomised tests another
// seed than 1: a number, or random.
const SeedVariable = "ORBITBENCH_TEST_SEED"

// Seed is the seed of a randomised test: the same each time unless the environment says
// otherwise, so that a change is accepted or refused for what it is.
func Seed(t testing.TB) uint64 {
	t.Helper()
	seed := uint64(1)
	switch text := os.Getenv(SeedVariable); text {
	case "":
	case "random":
		seed = rand.Uint64()
	default:
		n, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			t.Fatalf("%s is %q, want a number or random", SeedVariable, text)
		}
		seed = n
	}
	t.Logf("seed %d", seed)
	return seed
}
