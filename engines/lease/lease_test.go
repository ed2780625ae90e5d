package lease

import (
	"bytes"
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func sample() Lease {
	l := New("node-1", 1_000, 300*time.Second, []byte("custom"))
	l.RenewalCount = 7
	return l
}

func TestLeaseRoundTrip(t *testing.T) {
	for name, want := range map[string]Lease{
		"full":           sample(),
		"zero":           {},
		"no custom data": New("n", 5, time.Second, nil),
		"negative times": {ExpiresAt: -1, LastRenewed: math.MinInt64, CreatedAt: math.MaxInt64, Duration: -5},
	} {
		b, err := want.AppendBinary([]byte("prefix"))
		require.NoError(t, err, name)
		var got Lease
		require.NoError(t, got.UnmarshalBinary(b[len("prefix"):]), name)
		require.Equal(t, want, got, name)
	}
}

func TestLeaseDecodeKeepsNothingOfItsInput(t *testing.T) {
	l := sample()
	b, err := l.AppendBinary(nil)
	require.NoError(t, err)
	var got Lease
	require.NoError(t, got.UnmarshalBinary(b))
	clear(b)
	require.Equal(t, l, got)
}

func TestLeaseRefusesDamage(t *testing.T) {
	l := sample()
	good, err := l.AppendBinary(nil)
	require.NoError(t, err)
	damage := map[string]func(b []byte) []byte{
		"empty":              func([]byte) []byte { return nil },
		"short head":         func(b []byte) []byte { return b[:HeadBytes-1] },
		"wrong format":       func(b []byte) []byte { b[0] = FormatV1 + 1; return b },
		"nonzero byte 1":     func(b []byte) []byte { b[1] = 1; return b },
		"node id beyond end": func(b []byte) []byte { b[3] = 0xff; return b },
	}
	for name, f := range damage {
		var got Lease
		require.ErrorIs(t, got.UnmarshalBinary(f(bytes.Clone(good))), ErrFormat, name)
	}
	_, err = (&Lease{NodeID: string(make([]byte, math.MaxUint16+1))}).AppendBinary(nil)
	require.ErrorIs(t, err, ErrFormat)
}

func TestRenewalPatchEqualsRenewingTheRecord(t *testing.T) {
	l := sample()
	b, err := l.AppendBinary(nil)
	require.NoError(t, err)
	r := l.Renewal(2_000)
	require.NoError(t, r.Patch(b))

	want := l
	want.ExpiresAt, want.LastRenewed, want.RenewalCount = r.ExpiresAt, r.Now, l.RenewalCount+1
	var got Lease
	require.NoError(t, got.UnmarshalBinary(b))
	require.Equal(t, want, got)
	require.Equal(t, r.ExpiresAt, ExpiresAt(b))
	require.Equal(t, "node-1", string(HolderOf(b)))
}

func TestRenewalChangesOnlyTheHotRange(t *testing.T) {
	l := sample()
	b, err := l.AppendBinary(nil)
	require.NoError(t, err)
	before := bytes.Clone(b)
	require.NoError(t, Renewal{ExpiresAt: math.MaxInt64, Now: 2_000}.Patch(b))
	require.Equal(t, before[:HotOffset], b[:HotOffset])
	require.Equal(t, before[HotOffset+HotBytes:], b[HotOffset+HotBytes:])
	require.NotEqual(t, before, b)
}

func TestRenewalOfAnExpiredLeaseChangesNothing(t *testing.T) {
	l := sample()
	b, err := l.AppendBinary(nil)
	require.NoError(t, err)
	before := bytes.Clone(b)
	require.NoError(t, Renewal{ExpiresAt: 1, Now: l.ExpiresAt - 1}.Check(b))
	require.ErrorIs(t, Renewal{ExpiresAt: math.MaxInt64, Now: l.ExpiresAt}.Patch(b), ErrExpired)
	require.ErrorIs(t, Renewal{}.Patch(b[:HeadBytes-1]), ErrFormat)
	require.Equal(t, before, b)
	require.True(t, l.Expired(l.ExpiresAt))
	require.False(t, l.Expired(l.ExpiresAt-1))
}

func TestRenewalCountStopsAtItsMaximum(t *testing.T) {
	l := sample()
	l.RenewalCount = math.MaxUint32
	b, err := l.AppendBinary(nil)
	require.NoError(t, err)
	require.NoError(t, l.Renewal(2_000).Patch(b))
	require.NoError(t, l.UnmarshalBinary(b))
	require.EqualValues(t, math.MaxUint32, l.RenewalCount)
}

func TestHotPathsDoNotAllocate(t *testing.T) {
	l := sample()
	b, err := l.AppendBinary(nil)
	require.NoError(t, err)
	r := l.Renewal(2_000)
	require.Zero(t, testing.AllocsPerRun(100, func() {
		if r.Patch(b) != nil || len(HolderOf(b)) == 0 {
			t.Fatal("patch failed")
		}
	}))
}

func TestKey(t *testing.T) {
	k := Key{ActorID: [16]byte{1, 2, 3, 15: 9}, ActorType: "UserActor"}
	got, err := ParseKey(k.AppendKey(nil))
	require.NoError(t, err)
	require.Equal(t, k, got)
	require.Equal(t, "01020300-0000-0000-0000-000000000009/UserActor", k.String())
	_, err = ParseKey(make([]byte, UUIDBytes-1))
	require.ErrorIs(t, err, ErrFormat)
}
