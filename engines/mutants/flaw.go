package mutants

import (
	"strings"

	"orbitbench/engines"
)

// Flaw is one way in which a mutant breaks the contract.
type Flaw string

// The flaws. Each line says what the mutant does.
const (
	Control Flaw = "" // nothing wrong

	BadName            Flaw = "bad-name"            // Info without title, and with a name out of form
	ConfigureTouches   Flaw = "configure-touches"   // Configure creates the directory
	TakesAnyOption     Flaw = "takes-any-option"    // unknown names of options are ignored
	FallsBackSilently  Flaw = "falls-back-silently" // an unsupported class is replaced by another
	DeleteIsLost       Flaw = "delete-is-lost"      // Delete is acknowledged and does nothing
	SharesKeyspaces    Flaw = "shares-keyspaces"    // two keyspaces are one map
	TrimsKeys          Flaw = "trims-keys"          // zero bytes at the end of a key are dropped
	OverwritesBuffer   Flaw = "overwrites-buffer"   // Get writes over dst instead of behind it
	CountsConflicts    Flaw = "counts-conflicts"    // a conflict counts as a commit
	SkipsVersions      Flaw = "skips-versions"      // versions grow by two
	ForgetsDeleted     Flaw = "forgets-deleted"     // a key that was deleted starts again at 1
	ResetsVersions     Flaw = "resets-versions"     // every version starts again at 1 when opened
	ForgetsFloor       Flaw = "forgets-floor"       // versions of deleted keys are forgotten when opened
	LeavesAssigned     Flaw = "leaves-assigned"     // Assigned of a delete is not set
	IgnoresAbsent      Flaw = "ignores-absent"      // the condition "absent" always holds
	PlainConflict      Flaw = "plain-conflict"      // ErrConflict comes without versions
	IgnoresGuards      Flaw = "ignores-guards"      // conditions on records outside the batch always hold
	FirstCondition     Flaw = "first-condition"     // only the first condition is judged
	HalfBatch          Flaw = "half-batch"          // operations before one that fails stay
	OneKeyspace        Flaw = "one-keyspace"        // a batch over many keyspaces loses its last operation
	ShowsHalf          Flaw = "shows-half"          // readers see a batch while it is applied
	ConditionsUnlocked Flaw = "conditions-unlocked" // conditions are judged before the lock is taken
	CreatesTwice       Flaw = "creates-twice"       // the condition "absent" is judged before the lock is taken
	ForgetsCount       Flaw = "forgets-count"       // a renewal does not count
	RenewCreates       Flaw = "renew-creates"       // a renewal of nothing succeeds
	RenewsExpired      Flaw = "renews-expired"      // a lease that has run out is renewed
	RenewsAtExpiry     Flaw = "renews-at-expiry"    // a lease is renewed at the moment at which it runs out
	SkipsBadRenewal    Flaw = "skips-bad-renewal"   // a batch goes on without the renewal that failed
	RenewalNotLogged   Flaw = "renewal-not-logged"  // renewals are lost by a close
	NativeUnchecked    Flaw = "native-unchecked"    // RenewLease ignores the version
	NativeDiffers      Flaw = "native-differs"      // RenewLease does not count
	NativeUnlocked     Flaw = "native-unlocked"     // RenewLease judges the version before it takes the lock
	Allocates          Flaw = "allocates"           // RenewLease allocates though it claims not to
	TornRead           Flaw = "torn-read"           // Get reads value and version at two times
	StaleRead          Flaw = "stale-read"          // Get may answer with the state before the last commit
	ScanUnordered      Flaw = "scan-unordered"      // in no order
	ScanInclusive      Flaw = "scan-inclusive"      // the end of the range is part of it
	ScanIgnoresStop    Flaw = "scan-ignores-stop"   // ErrStopScan comes out as an error
	ScanSwallows       Flaw = "scan-swallows"       // an error of yield is lost
	ScanSkips          Flaw = "scan-skips"          // one record in a thousand is left out
	ScanRepeats        Flaw = "scan-repeats"        // one record in a thousand comes twice
	ScanByOffset       Flaw = "scan-by-offset"      // goes on at a position, which moves when others come and go
	ViewMoves          Flaw = "view-moves"          // a view shows the present
	ViewByKeyspace     Flaw = "view-by-keyspace"    // a view takes its keyspaces one after the other
	ViewShared         Flaw = "view-shared"         // there is one view, and the next one replaces it
	CopyMissesLatest   Flaw = "copy-misses-latest"  // a snapshot lacks the last commit
	CopyByKeyspace     Flaw = "copy-by-keyspace"    // a snapshot takes its keyspaces one after the other
	CopyShares         Flaw = "copy-shares"         // a snapshot is a link to the journal, which goes on
	CopyForgetsFloor   Flaw = "copy-forgets-floor"  // a snapshot lacks the versions of deleted keys
	CopyIntoFull       Flaw = "copy-into-full"      // a snapshot is written beside what is there
	CopyUnsynced       Flaw = "copy-unsynced"       // a snapshot is left to the page cache
	CopyStopsWriters   Flaw = "copy-stops-writers"  // the lock is held while a snapshot is written
	CheckpointLoses    Flaw = "checkpoint-loses"    // what is committed while a checkpoint runs is cut off
	CloseLoses         Flaw = "close-loses"         // Close does not write what is buffered
	ClosesTwice        Flaw = "closes-twice"        // a second Close succeeds
	NoLock             Flaw = "no-lock"             // two engines open one directory
	IgnoresClosed      Flaw = "ignores-closed"      // Get works after Close
	CloseDoesNotWait   Flaw = "close-does-not-wait" // calls that run meanwhile are acknowledged and lost
	IgnoresContext     Flaw = "ignores-context"     // a cancelled context is not looked at
	ShortValues        Flaw = "short-values"        // values are cut at 64 KiB
	ShortKeys          Flaw = "short-keys"          // keys above 255 bytes are refused
	AcceptsAnything    Flaw = "accepts-anything"    // no limit is looked at
	DropsEmpty         Flaw = "drops-empty"         // a record without a value does not survive a reopen
	KeepsValue         Flaw = "keeps-value"         // the caller's value is kept
	KeepsKey           Flaw = "keeps-key"           // the caller's key is kept
	LendsValue         Flaw = "lends-value"         // Get returns the engine's own bytes
	LendsOld           Flaw = "lends-old"           // Lend shows a renewed lease with its old version
	CacheGrows         Flaw = "cache-grows"         // it claims a bound of the query cache and keeps everything
	CacheDropsNewest   Flaw = "cache-drops-newest"  // a query result that does not fit is acknowledged and dropped
	CacheComesBack     Flaw = "cache-comes-back"    // evictions are not logged
	ServesExpired      Flaw = "serves-expired"      // it claims a TTL of query results and looks at none
	LosesLatePoints    Flaw = "loses-late-points"   // a point older than the latest of its keyspace is dropped
	SeriesDeletes      Flaw = "series-deletes"      // it claims to append only and deletes points
	SeriesHalfRefused  Flaw = "series-half-refused" // a batch that deletes a point is applied without that
	LosesOnKill        Flaw = "loses-on-kill"       // commits are acknowledged from a buffer of the process
	NeverFlushes       Flaw = "never-flushes"       // the window of class interval is not kept
	ReusesVersions     Flaw = "reuses-versions"     // versions that a kill lost are granted again
	ForgetsJump        Flaw = "forgets-jump"        // versions that a kill lost are granted again after the next close
	TearsOnKill        Flaw = "tears-on-kill"       // a batch is logged in two pieces
	Resurrects         Flaw = "resurrects"          // deletes are not logged
	VerifyWrites       Flaw = "verify-writes"       // Verify leaves a file behind
	DumpsNothing       Flaw = "dumps-nothing"       // Dump prints nothing
	SpansReversed      Flaw = "spans-reversed"      // Spans gives the newest first
	WrongAtTimes       Flaw = "wrong-at-times"      // fails only now and then
)

// Mutant is a flaw with what must catch it.
type Mutant struct {
	Flaw  Flaw
	Check string        // name of the check of enginetest
	Class engines.Class // in which it shows
}

// Driver returns the driver of the mutant.
func (m Mutant) Driver() engines.Driver { return Driver{Flaw: m.Flaw} }

// name is the engine name of a flaw.
func (f Flaw) name() string {
	if f == Control {
		return "mutant+control"
	}
	return "mutant+" + strings.ReplaceAll(string(f), "-", "")
}

// All lists the mutants.
func All() []Mutant {
	const process, interval = engines.Process, engines.Interval
	return []Mutant{
		{BadName, "config/info", process},
		{ConfigureTouches, "config/configure", process},
		{TakesAnyOption, "config/unknown_name", process},
		{FallsBackSilently, "config/classes", process},
		{DeleteIsLost, "basics/put_get_delete", process},
		{SharesKeyspaces, "basics/keyspaces_are_apart", process},
		{TrimsKeys, "basics/key_bytes", process},
		{OverwritesBuffer, "basics/get_appends", process},
		{CountsConflicts, "basics/stats", process},
		{SkipsVersions, "versions/plus_one", process},
		{ForgetsDeleted, "versions/rise_across_delete", process},
		{ResetsVersions, "versions/rise_across_reopen", process},
		{ForgetsFloor, "versions/rise_across_reopen", process},
		{LeavesAssigned, "versions/assigned", process},
		{IgnoresAbsent, "conditions/absent", process},
		{PlainConflict, "conditions/compare_and_swap", process},
		{IgnoresGuards, "conditions/guard", process},
		{FirstCondition, "conditions/conflict_applies_nothing", process},
		{HalfBatch, "batches/all_or_nothing", process},
		{OneKeyspace, "batches/across_keyspaces", process},
		{ShowsHalf, "batches/readers_see_whole", process},
		{ConditionsUnlocked, "batches/transfers", process},
		{ConditionsUnlocked, "races/one_winner_per_version", process},
		{CreatesTwice, "races/one_creator", process},
		{ForgetsCount, "renew/patches_the_head", process},
		{RenewCreates, "renew/not_found", process},
		{RenewsExpired, "renew/expired", process},
		{RenewsAtExpiry, "renew/expired", process},
		{SkipsBadRenewal, "renew/within_a_batch", process},
		{RenewalNotLogged, "renew/survives_reopen", process},
		{NativeUnchecked, "renew/native_errors", process},
		{NativeDiffers, "renew/native_equals_generic", process},
		{Allocates, "renew/allocations", process},
		{NativeUnlocked, "races/renewals_one_winner", process},
		{TornRead, "races/value_fits_version", process},
		{StaleRead, "races/value_fits_version", process},
		{ScanUnordered, "scans/ranges", process},
		{ScanInclusive, "scans/ranges", process},
		{ScanIgnoresStop, "scans/stop_and_errors", process},
		{ScanSwallows, "scans/stop_and_errors", process},
		{ScanSkips, "scans/large", process},
		{ScanRepeats, "scans/large", process},
		{ScanByOffset, "scans/untouched_seen_once", process},
		{ViewMoves, "views/stay_as_they_are", process},
		{ViewByKeyspace, "views/one_point_in_time", process},
		{ViewShared, "views/many", process},
		{CopyMissesLatest, "snapshots/equal_the_state", process},
		{CopyByKeyspace, "snapshots/under_load", process},
		{CopyShares, "snapshots/equal_the_state", process},
		{CopyForgetsFloor, "snapshots/equal_the_state", process},
		{CopyIntoFull, "snapshots/equal_the_state", process},
		{CopyUnsynced, "snapshots/durable", process},
		{CopyStopsWriters, "snapshots/writers_go_on", process},
		{CheckpointLoses, "checkpoints/under_load", process},
		{CloseLoses, "life/reopen", interval},
		{Resurrects, "life/reopen", process},
		{ClosesTwice, "life/open_and_close", process},
		{NoLock, "life/lock", process},
		{IgnoresClosed, "life/closed", process},
		{CloseDoesNotWait, "life/close_waits", process},
		{IgnoresContext, "life/cancelled", process},
		{ShortValues, "limits/accepted", process},
		{ShortKeys, "limits/accepted", process},
		{AcceptsAnything, "limits/refused", process},
		{DropsEmpty, "limits/empty", process},
		{KeepsValue, "slices/arguments_are_not_kept", process},
		{KeepsKey, "slices/arguments_are_not_kept", process},
		{LendsValue, "slices/results_are_the_callers", process},
		{LendsOld, "slices/lent_values", process},
		{CacheGrows, "declared/cache_bound", process},
		{CacheDropsNewest, "declared/cache_bound", process},
		{CacheComesBack, "declared/cache_bound", process},
		{ServesExpired, "declared/cache_ttl", process},
		{LosesLatePoints, "declared/series_ranges", process},
		{SeriesDeletes, "declared/series_append_only", process},
		{SeriesHalfRefused, "declared/series_append_only", process},
		{LosesOnKill, "crash/kill", process},
		{LosesOnKill, "crash/kill", engines.Sync},
		{NeverFlushes, "crash/kill", interval},
		{ReusesVersions, "crash/kill", interval},
		{ForgetsJump, "crash/kill", interval},
		{TearsOnKill, "crash/kill", process},
		{VerifyWrites, "tools/verify", process},
		{DumpsNothing, "tools/dump", process},
		{SpansReversed, "tools/spans", process},
		{WrongAtTimes, "model/random", process},
	}
}
