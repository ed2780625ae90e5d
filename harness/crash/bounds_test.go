package crash

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestBounds(t *testing.T) {
	b := Bounds{Least: 5, Issued: 7}
	for _, c := range []struct {
		b         Bounds
		version   uint64
		contents  error
		invariant string
	}{
		{b, 4, nil, "durability"},
		{b, 5, nil, ""},
		{b, 7, nil, ""},
		{b, 8, nil, "phantom"},
		{b, 6, errors.New("a bit"), "phantom"},
		{b, 4, errors.New("a bit"), "durability"},
		{Bounds{}, 1, nil, "phantom"},
		{Bounds{Issued: 1}, 1, nil, ""},
	} {
		v, broken := c.b.Judge(c.version, c.contents)
		require.Equal(t, c.invariant, v.Invariant, "%+v", c)
		require.Equal(t, c.invariant != "", broken)
	}
	v, broken := b.Missing()
	require.True(t, broken)
	require.Equal(t, "durability", v.Invariant)
	_, broken = Bounds{Issued: 7}.Missing()
	require.False(t, broken, "it was never acknowledged")
	v, broken = b.Grant(7)
	require.True(t, broken)
	require.Equal(t, "fencing", v.Invariant)
	_, broken = b.Grant(8)
	require.False(t, broken)
}
