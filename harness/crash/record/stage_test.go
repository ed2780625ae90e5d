package record

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"orbitbench/harness/patience"
)

// judge counts the states in which a program that replaces the file "a" lost
// something: its content at any time, or the new content after it had ended.
func judge(t testing.TB, r Recording, start, end uint64, states int) (bad, all int, worst State) {
	t.Helper()
	for s := range r.States(Options{Seed: 7, States: states, From: start}) {
		text, exists, mounts := content(t, r, s, "a")
		if !mounts {
			continue
		}
		all++
		if !exists || text != newText && (text != oldText || s.At > end) {
			bad++
			worst = s
		}
	}
	return bad, all, worst
}

// attempt records a program that replaces a file, and judges its states.
func attempt(t testing.TB, stage, program string) (r Recording, bad int, worst State) {
	t.Helper()
	r, start, end := recorded(t, stage, base(t), program)
	bad, all, worst := judge(t, r, start, end, 24)
	t.Logf("%s: %d operations, %d of %d states are wrong", program, r.Ops(), bad, all)
	require.Greater(t, all, 3)
	return r, bad, worst
}

// The missing fsync is found, and nothing is found where none is missing.
func TestReplaceByRename(t *testing.T) {
	found := map[string][]string{
		"posix":       {"replace-no-fsync", "replace-no-dir-fsync"},
		"file-ext4":   {"replace-no-dir-fsync"}, // the file system flushes what a rename puts in place of a file
		MountExt4:     {"replace-no-dir-fsync"},
		MountExt4Bare: {"replace-no-fsync", "replace-no-dir-fsync"},
		MountXFS:      {"replace-no-fsync", "replace-no-dir-fsync"},
	}
	// ext4 starts to write the data of such a file, and on some kernels commits the rename first.
	undecided := map[string]string{MountExt4: "replace-no-fsync"}
	for stage, expected := range found {
		t.Run(stage, func(t *testing.T) {
			need(t, stages[stage].method)
			for _, program := range []string{"replace", "replace-no-fsync", "replace-no-dir-fsync"} {
				if undecided[stage] != program && !slices.Contains(expected, program) {
					r, bad, worst := attempt(t, stage, program)
					require.Zero(t, bad, "%s: %s", program, r.Describe(worst))
					continue
				}
				patience.Try(t, func(t *patience.T) { // a file system commits by itself after some seconds
					r, bad, worst := attempt(t, stage, program)
					if undecided[stage] != program {
						require.Positive(t, bad, program)
						t.Log(r.Describe(worst))
					}
				})
			}
		})
	}
}
