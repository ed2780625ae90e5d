package main

import (
	"testing"

	"github.com/stretchr/testify/require"

	"orbitbench/harness/crash"
)

func TestSetOptions(t *testing.T) {
	targets, err := crashTargets([]string{"bbolt", "pebble"}, []string{"sync"})
	require.NoError(t, err)
	require.NoError(t, setOptions(targets, []string{"bbolt.sync_parent_dir=true", "bbolt.freelist_type=array", "pebble.block_size=4096"}))
	require.Equal(t, map[string]any{"sync_parent_dir": true, "freelist_type": "array"}, targets[0].Config)
	require.EqualValues(t, 4096, targets[1].Config["block_size"])
	require.NotContains(t, crashConfigs["pebble"], "block_size", "the table is left as it is")
	for _, bad := range []string{"", "bbolt", "bbolt.x", "x=1", ".x=1", "bbolt.=1", "lmdb.x=1", "bbolt.no_such=1"} {
		again, err := crashTargets([]string{"bbolt", "pebble"}, []string{"sync"})
		require.NoError(t, err)
		require.Error(t, setOptions(again, []string{bad}), bad)
	}
}

// Every mutant can be tested by name, and all of them by one word.
func TestMutantsAreTargets(t *testing.T) {
	all, err := crashTargets([]string{"mutants"}, []string{"sync"})
	require.NoError(t, err)
	require.Greater(t, len(all), 10)
	for _, target := range all {
		one, err := crashTargets([]string{target.Engine}, []string{"sync"})
		require.NoError(t, err)
		require.Equal(t, []crash.Target{target}, one)
	}
}
