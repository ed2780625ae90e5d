package crash

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"orbitbench/engines"
)

func TestADumpIsReadAsItWasWritten(t *testing.T) {
	for _, rs := range []Records{nil, {
		{Keyspace: engines.Leases, Key: []byte("a"), Version: 1, Digest: digestOf([]byte("x"))},
		{Keyspace: engines.TimeSeries, Key: []byte{0, 255}, Version: 1 << 63, Digest: digestOf(nil)},
	}} {
		raw, err := json.Marshal(rs)
		require.NoError(t, err)
		var back Records
		require.NoError(t, json.Unmarshal(raw, &back))
		require.Equal(t, rs, back)
		require.NotContains(t, string(raw), `"ks"`, "packed")
	}
	require.NotEqual(t, digestOf([]byte("x")), digestOf([]byte("y")))
	d := digestOf([]byte("x"))
	require.NotEqual(t, d[:8], d[8:], "two hashes")
}

func FuzzDump(f *testing.F) {
	raw, err := json.Marshal(Records{{Key: []byte("a"), Version: 300}, {Keyspace: 3, Key: []byte("b")}})
	require.NoError(f, err)
	f.Add(raw)
	f.Add([]byte(`"AA=="`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		var rs Records
		if json.Unmarshal(raw, &rs) != nil {
			return
		}
		again, err := json.Marshal(rs)
		require.NoError(t, err)
		var back Records
		require.NoError(t, json.Unmarshal(again, &back))
		require.Equal(t, rs, back)
	})
}
