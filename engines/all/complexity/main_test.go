package main

import (
	"testing"

	"github.com/stretchr/testify/require"

	"orbitbench/engines/all"
)

func TestCodeLines(t *testing.T) {
	src := "package p\n\n// comment\n/* more\n   of it */\nfunc f() { // two\n\tx := `a\nb`\n\t_ = x\n}\n"
	require.Equal(t, 5, codeLines([]byte(src)))
	require.Zero(t, codeLines([]byte("\n// nothing\n")))
}

// The counts stay near the truth: an engine that was added, or that has grown
// by more than a quarter since, wants `go generate ./engines/all`.
func TestCountsAreCurrent(t *testing.T) {
	stored, err := all.Complexity()
	require.NoError(t, err)
	for _, d := range all.Drivers() {
		info := d.Info()
		got, ok := stored[info.Name]
		require.True(t, ok, "%s has no counts: run go generate ./engines/all", info.Name)
		want, err := count(info)
		require.NoError(t, err)
		require.InEpsilon(t, want.Lines, got.Lines, 0.25, "%s: run go generate ./engines/all", info.Name)
		require.Equal(t, want.Dependencies, got.Dependencies, "%s: run go generate ./engines/all", info.Name)
	}
}
