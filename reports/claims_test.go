package reports

import (
	"testing"

	"github.com/stretchr/testify/require"

	"orbitbench/harness/result"
)

func TestJudge(t *testing.T) {
	claimed := span{5 * us, 20 * us}
	for ns, want := range map[float64]string{
		5 * us: "inside", 20 * us: "inside", 12 * us: "inside", 2.5 * us: "better 2.0x", 100 * us: "worse 5.0x", 22 * us: "worse 1.10x",
	} {
		v := judge(ns, ns, ns, claimed)
		require.Equal(t, want, v.String())
		require.Equal(t, v.word != worse, v.holds())
		require.True(t, v.judged())
	}
	require.False(t, verdict{word: notComparable}.judged())
	// What meets a bound with its interval, or misses it by less than the margin, is not told.
	for _, ns := range [][3]float64{{21 * us, 21 * us, 21 * us}, {30 * us, 19 * us, 40 * us}, {19 * us, 18 * us, 21 * us}, {4 * us, 3 * us, 6 * us}, {4.9 * us, 4.8 * us, 4.95 * us}} {
		v := judge(ns[0], ns[1], ns[2], claimed)
		require.Equal(t, atBound, v.word, ns)
		require.NotEmpty(t, v.reason)
		require.True(t, v.judged() && !v.holds())
	}
	require.Equal(t, worse, judge(30*us, 21*us, 40*us, claimed).word)
}

func TestClaimTableIsTheDesignNotes(t *testing.T) {
	want := map[string][3]string{
		"COW B+ tree": {"5-20 us", "1-3 us", "2-5 s"}, "mmap + WAL": {"2-8 us", "0.5-2 us", "1-3 s"}, "Append log": {"1-5 us", "5-50 us", "5-30 s"},
		"Actor-specific": {"1-10 us", "0.5-2 us", "1-5 s"}, "RocksDB": {"10-50 us", "2-10 us", "3-10 s"}, "LSM tree": {"10-50 us", "2-5 us", "5-15 s"},
	}
	for _, c := range claimTable {
		require.Equal(t, want[c.title], [3]string{c.write.String(), c.read.String(), c.recovery.String()}, c.title)
	}
	require.Len(t, claimTable, len(want))
}

func TestClaimNamesAreReadAsPeopleWriteThem(t *testing.T) {
	for name, title := range map[string]string{
		"COW B+ Trees": "COW B+ tree", "cow b+tree": "COW B+ tree", "MMap + WAL": "mmap + WAL", "mmap+WAL": "mmap + WAL", "LSM Trees": "LSM tree",
		"Append Log": "Append log", "Actor-Specific": "Actor-specific", "rocksdb": "RocksDB",
	} {
		c := claimFor(&result.Engine{Claim: name})
		require.NotNil(t, c, name)
		require.Equal(t, title, c.title)
	}
	require.Nil(t, claimFor(&result.Engine{}))
	require.Nil(t, claimFor(&result.Engine{Claim: "B-tree"}))
}

func TestClaimsAreJudgedPerClassAndAgainstTheFloor(t *testing.T) {
	r := load(t, writeRun(t, []string{"appendlog", "pebble", "bbolt"}, 1, nil, nil))
	require.Equal(t, "Claimed write ranges, judged by p50 of 1 trial, which is a look: 2 of 2 hold under process; 0 of 2 hold under sync, where all lie below the device's floor (p50 95.2 us).", r.Claims())

	r = load(t, writeRun(t, []string{"appendlog"}, 1, nil, func(run *result.Run) { run.Floors = nil }))
	require.Equal(t, "Claimed write ranges, judged by p50 of 1 trial, which is a look: 1 of 1 hold under process; 0 of 1 hold under sync.", r.Claims())
	require.Contains(t, r.warnings[0], "no device floor")

	require.Empty(t, load(t, writeRun(t, []string{"bbolt"}, 1, nil, nil)).Claims())

	r = load(t, writeRun(t, []string{"appendlog"}, 1, func(c *result.Cell) bool { return c.Durability != "sync" }, nil))
	require.Contains(t, r.Claims(), "1 of 1 hold under process")
	require.NotContains(t, r.Claims(), "hold under sync")
}

func TestMissedRateIsNotComparable(t *testing.T) {
	r := load(t, writeRun(t, []string{"appendlog", "pebble"}, 1, func(c *result.Cell) bool {
		if c.Engine == "pebble" && c.Measure != nil {
			c.Measure.AchievedPerS = .9 * c.Measure.OfferedPerS
		}
		return true
	}, nil))
	row := r.find("sync", "pebble")
	require.Equal(t, verdict{word: notComparable, reason: "missed the rate"}, writeAspect.verdict(row))
	require.True(t, recoveryAspect.verdict(row).judged(), "no load is offered to a recovery")
	require.Contains(t, r.Claims(), "0 of 1 hold under sync")
}

func TestRecoveryIsJudgedWhereRenewalsFailed(t *testing.T) {
	r := load(t, writeRun(t, []string{"appendlog"}, 1, func(c *result.Cell) bool {
		if c.Kind == result.KindRenewal {
			c.Status, c.Reason = result.Failed, "disk full"
		}
		return true
	}, nil))
	row := r.blocks[1].rows[0]
	require.Equal(t, statusFailed, row.status)
	require.Equal(t, verdict{word: notComparable, reason: "failed"}, writeAspect.verdict(row))
	require.Equal(t, better, recoveryAspect.verdict(row).word)
}
