package lease

import (
	"bytes"
	"crypto/sha256"
	"encoding"
	"testing"

	"github.com/stretchr/testify/require"
)

// record is what every record of the package can do.
type record interface {
	encoding.BinaryAppender
	encoding.BinaryUnmarshaler
}

func samples() map[string]struct{ full, empty record } {
	state := []byte("state")
	tags := []Tag{{"zone", "a"}, {"", ""}}
	l := sample()
	return map[string]struct{ full, empty record }{
		"lease": {&l, &Lease{}},
		"node": {&Node{ID: "n1", Namespace: "prod", URL: "http://127.0.0.1", Port: 8080, Status: Draining,
			ActorTypes: []string{"User", ""}, MaxActors: 10, Tags: tags, ExpiresAt: 5, RenewAt: -1, ChallengeToken: []byte{1}}, &Node{}},
		"snapshot": {&Snapshot{Actor: Key{ActorID: [16]byte{1}, ActorType: "User"}, SnapshotID: [16]byte{2}, Version: 3,
			CreatedAt: 4, UpdatedAt: 5, TTLSeconds: 6, Tags: tags, StateData: state, StateHash: sha256.Sum256(state)}, &Snapshot{}},
		"query": {&QueryEntry{CreatedAt: 1, TTLSeconds: 2, Result: []byte("r")}, &QueryEntry{}},
		"point": {&Point{Value: 1.5, Labels: tags}, &Point{}},
	}
}

func TestRecordsRoundTrip(t *testing.T) {
	for name, s := range samples() {
		for _, want := range []record{s.full, s.empty} {
			b, err := want.AppendBinary(nil)
			require.NoError(t, err, name)
			got := samples()[name].empty
			require.NoError(t, got.UnmarshalBinary(b), name)
			require.Equal(t, want, got, name)
		}
	}
}

func TestRecordsRefuseTruncation(t *testing.T) {
	for name, s := range samples() {
		if name == "lease" {
			continue // custom data runs to the end: a shorter one is another lease
		}
		b, err := s.full.AppendBinary(nil)
		require.NoError(t, err)
		for n := range b {
			require.ErrorIs(t, samples()[name].empty.UnmarshalBinary(b[:n]), ErrFormat, "%s cut to %d", name, n)
		}
		require.ErrorIs(t, samples()[name].empty.UnmarshalBinary(append(b, 0)), ErrFormat, "%s with a byte more", name)
	}
}

func TestRecordsRefuseHugeListsBeforeAllocating(t *testing.T) {
	b, err := (&Point{}).AppendBinary(nil)
	require.NoError(t, err)
	le.PutUint32(b[len(b)-4:], 1<<31)
	require.ErrorIs(t, new(Point).UnmarshalBinary(b), ErrFormat)
}

func TestSnapshotVerify(t *testing.T) {
	s := samples()["snapshot"].full.(*Snapshot)
	require.True(t, s.Verify())
	s.StateData = []byte("other")
	require.False(t, s.Verify())
}

func TestPointKeysSortByTime(t *testing.T) {
	older := AppendPointKey(nil, "cpu", 255)
	newer := AppendPointKey(nil, "cpu", 256)
	require.Negative(t, bytes.Compare(older, newer))
	require.Negative(t, bytes.Compare(newer, AppendPointKey(nil, "cpu2", 0)))
}

// FuzzRecords feeds bytes to every decoder: it must refuse them with ErrFormat
// or decode to something that encodes to the same bytes.
func FuzzRecords(f *testing.F) {
	for _, s := range samples() {
		for _, r := range []record{s.full, s.empty} {
			b, err := r.AppendBinary(nil)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(b)
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		for name, s := range samples() {
			r := s.empty
			if err := r.UnmarshalBinary(b); err != nil {
				require.ErrorIs(t, err, ErrFormat, name)
				continue
			}
			again, err := r.AppendBinary(nil)
			require.NoError(t, err, name)
			require.Equal(t, b, again, name)
		}
		if k, err := ParseKey(b); err == nil {
			require.Equal(t, b, k.AppendKey(nil))
		}
		patched := bytes.Clone(b)
		if (Renewal{ExpiresAt: 9, Now: 8}).Patch(patched) == nil {
			require.EqualValues(t, 9, ExpiresAt(patched))
		} else {
			require.Equal(t, b, patched)
		}
	})
}
