package storedir

import (
	"errors"
	"fmt"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"orbitbench/engines"
	"orbitbench/engines/internal/vfs"
)

func TestOpenLocksAndWantsAParent(t *testing.T) {
	m := vfs.NewMem()
	_, err := Open(m, "/missing/store")
	require.Error(t, err, "the parent must exist")
	require.NoError(t, m.MkdirAll("/data"))
	lock, err := Open(m, "/data/store")
	require.NoError(t, err)
	_, err = Open(m, "/data/store")
	require.ErrorIs(t, err, engines.ErrLocked)
	require.NoError(t, lock.Close())
	lock, err = Open(m, "/data/store")
	require.NoError(t, err)
	require.NoError(t, lock.Close())
}

func TestMakeEmptyAndRemoveTemporary(t *testing.T) {
	m := vfs.NewMem()
	require.NoError(t, m.MkdirAll("/data"))
	require.NoError(t, MakeEmpty(m, "/data/copy"))
	require.NoError(t, MakeEmpty(m, "/data/copy"), "an empty one will do")
	for _, n := range []string{"/data/copy/a", "/data/copy/b.tmp"} {
		f, err := m.OpenFile(n, vfs.Create)
		require.NoError(t, err)
		require.NoError(t, f.Close())
	}
	require.ErrorIs(t, MakeEmpty(m, "/data/copy"), engines.ErrInvalid)
	require.NoError(t, RemoveTemporary(m, "/data/copy"))
	names, err := m.ReadDir("/data/copy")
	require.NoError(t, err)
	require.Equal(t, []string{"a"}, names)
}

func TestFullDevice(t *testing.T) {
	require.NoError(t, FullDevice(nil))
	require.ErrorIs(t, FullDevice(fmt.Errorf("write: %w", syscall.ENOSPC)), engines.ErrFull)
	require.ErrorIs(t, FullDevice(syscall.EDQUOT), engines.ErrFull)
	require.NotErrorIs(t, FullDevice(syscall.EIO), engines.ErrFull)
	once := FullDevice(syscall.ENOSPC)
	require.True(t, errors.Is(FullDevice(once), engines.ErrFull) && FullDevice(once) == once, "it is said once")
}

func TestSpansAreInTheOrderInWhichTheyBegan(t *testing.T) {
	var s Spans
	base := time.Unix(0, 0)
	s.Add("long", base.Add(1), base.Add(9), 1)
	s.Add("late", base.Add(5), base.Add(6), 2)
	s.Add("early", base, base.Add(7), 3)
	var kinds []string
	for _, sp := range s.List() {
		kinds = append(kinds, sp.Kind)
	}
	require.Equal(t, []string{"early", "long", "late"}, kinds)
	for i := range 2 * maxSpans {
		s.Add("many", base.Add(time.Duration(10+i)), base.Add(time.Duration(11+i)), 0)
	}
	require.LessOrEqual(t, len(s.List()), maxSpans)
	require.Equal(t, base.Add(time.Duration(9+2*maxSpans)), s.List()[len(s.List())-1].Begin)
}
