package crash

import (
	"fmt"
	"slices"
	"strings"
)

// Known is a finding about an engine that is not ours: what it is told by, why it
// is so, and what a user can do about it. Findings about our own engines are never known.
type Known struct {
	Engine  string   // as in Info.Name; an engine in front of it (Engine+batch) has it too
	Module  string   // the version that was looked at, as in Info.Module
	Methods []string // families of methods, or whole names
	// Invariants and Patterns tell the violation: one of the former, whose pattern
	// begins as one of the latter; none stands for any.
	Invariants []string
	Patterns   []string
	// Fixed is the option of the adapter that avoids it; with it set the finding is
	// not known any more. Empty: there is none.
	Fixed string
	Why   string // what happens, in one sentence
	Link  string // where it is explained
	Do    string // what a user can do
}

// What silent damage can break when a store is opened and read, and nothing is written: wrong
// data breaks all of these, a shorter log those of older ones only.
var (
	wrongData = []string{"durability", "phantom", "atomicity", "holes", "release"}
	olderData = []string{"durability", "atomicity", "holes", "release"}
)

// readPatterns are what the oracle says of records that are wrong, or older than they should be.
var readPatterns = []string{
	lostCommits, wholeStore, neverWritten, neverGranted, "a key that was never written", "half a batch", "a version with two owners",
	"a commit is there and an earlier one is not", "released lease came back",
}

// KnownFindings is the list. A finding stays a violation until somebody has looked
// at it and has put it here with its reason.
func KnownFindings() []Known {
	return []Known{
		{
			Engine: "bbolt", Module: "go.etcd.io/bbolt v1.5.0", Methods: []string{"file", "block"},
			Invariants: []string{"durability", "fencing"},
			Patterns:   []string{"whole store lost", "a version was granted again"}, // the second follows from the first
			Fixed:      "sync_parent_dir",
			Why:        "bbolt never syncs the directory in which it creates its file, so that a power cut can take a whole new store with it",
			Link:       "https://man7.org/linux/man-pages/man2/fsync.2.html (a directory needs an fsync of its own)",
			Do:         "set sync_parent_dir = true, or sync the directory after the first Open",
		},
		{
			Engine: "bbolt", Module: "go.etcd.io/bbolt v1.5.0", Methods: []string{"damage"}, Invariants: append([]string{"liveness"}, wrongData...),
			Patterns: append([]string{"crashed: verifier", "hung: no answer"}, readPatterns...),
			Why:      "only the two meta pages of bbolt have a checksum: damage to other pages gives wrong data, a panic or a fault in the mapping",
			Link:     "https://github.com/etcd-io/bbolt#caveats--limitations",
			Do:       "keep the file on a file system with checksums, and check copies with bbolt check",
		},
		{
			Engine: "bbolt", Module: "go.etcd.io/bbolt v1.5.0", Methods: []string{"faults"}, Invariants: []string{"liveness"}, Patterns: []string{"crashed: verifier"},
			Why:  "Open looks for free pages in a goroutine of bbolt's own, where no caller can catch the fault of a page that the device does not give",
			Link: "https://github.com/etcd-io/bbolt/blob/v1.5.0/db.go (freepages)",
			Do:   "set no_freelist_sync = false, so that Open reads the list instead of looking for it, and let something start the process again",
		},
		{
			Engine: "rocksdb", Methods: []string{"damage"}, Invariants: olderData, Patterns: readPatterns,
			Why:  "the default recovery of the log (kPointInTimeRecovery) ends at the first damaged record and opens without those behind it",
			Link: "https://github.com/facebook/rocksdb/wiki/WAL-Recovery-Modes",
			Do:   "open with kAbsoluteConsistency where losing records in silence is worse than not opening",
		},
		{
			Engine: "pebble", Module: "github.com/cockroachdb/pebble/v2 v2.1.7", Methods: []string{"damage"}, Invariants: olderData, Patterns: readPatterns,
			Why:  "a damaged record of the log or of the manifest can look like the end of the file, and is opened without those behind it",
			Link: "https://pkg.go.dev/github.com/cockroachdb/pebble/v2/record (zeroed and invalid chunks)",
			Do:   "keep the files on a file system with checksums",
		},
		{
			Engine: "pebble", Module: "github.com/cockroachdb/pebble/v2 v2.1.7", Methods: []string{"faults"},
			Invariants: []string{"liveness"}, Patterns: []string{"hung: "},
			Why:  "on a full disk a flush is tried again in the background without end, and the writers that wait for it hear nothing",
			Link: "https://github.com/cockroachdb/pebble/blob/v2.1.7/compaction.go (flush: a failed one is scheduled anew)",
			Do:   "watch the free space, and kill and reopen a store whose writers do not come back",
		},
		{
			Engine: "pebble", Module: "github.com/cockroachdb/pebble/v2 v2.1.7", Methods: []string{"faults"},
			Invariants: []string{"liveness"}, Patterns: []string{"took its process with it: worker: exit status #: panic"},
			Why:  "Pebble panics where its log or its manifest cannot be written or synced, and the process ends",
			Link: "https://github.com/cockroachdb/pebble/blob/v2.1.7/db.go (makeRoomForWrite: panic(err))",
			Do:   "let something start the process again: nothing that was acknowledged is lost",
		},
		{
			Engine: "rocksdb", Methods: []string{"faults"}, Invariants: []string{"liveness"}, Patterns: []string{"took its process with it: worker"},
			Why:  "after a failed write the next use of the log trips an assertion, which distributions leave in, and the process ends",
			Link: "https://github.com/facebook/rocksdb/blob/v7.8.3/file/writable_file_writer.h (AssertFalseAndGetStatusForPrevError)",
			Do:   "build RocksDB with NDEBUG, which returns the error instead",
		},
		{
			Engine: "pebble", Module: "github.com/cockroachdb/pebble/v2 v2.1.7", Methods: []string{"file-posix"},
			Invariants: []string{"durability", "atomicity", "holes", "release", "fencing", "idempotence"}, Fixed: "sync_before_marker",
			Patterns: append([]string{grantedAgain, wholeStore + ", and " + grantedAgain, vanishedInCut, changedInCut}, readPatterns...), // all follow from the first
			Why:      "when the manifest changes the old marker is removed before the name of the new one is durable, so that where directory operations are not ordered both can be gone",
			Link:     "https://github.com/cockroachdb/pebble/blob/v2.1.7/vfs/atomicfs/marker.go (Move)",
			Do:       "use a file system whose journal orders directory operations (ext4, XFS), or set sync_before_marker = true",
		},
		{
			Engine: "rocksdb", Methods: []string{"file-posix"}, Invariants: []string{"liveness"}, Patterns: []string{"would not open"},
			Why:  "while a store is created CURRENT can become durable before the name of the manifest that it points to, where directory operations are not ordered",
			Link: "https://github.com/facebook/rocksdb/blob/v7.8.3/file/filename.cc (SetCurrentFile)",
			Do:   "use a file system whose journal orders directory operations (ext4, XFS), or create the store anew: nothing was acknowledged yet",
		},
		{
			Engine: "pebble", Module: "github.com/cockroachdb/pebble/v2 v2.1.7", Methods: []string{"file", "block"},
			Invariants: []string{"liveness"}, Patterns: []string{"would not open"}, Fixed: "sync_before_marker",
			Why:  "while a store is created a marker can become durable before the manifest that it names (the creation window)",
			Link: "https://github.com/cockroachdb/pebble/issues/5825",
			Do:   "set sync_before_marker = true, or create the store anew: nothing was acknowledged yet",
		},
	}
}

// KnownAs says why a violation is known, "" if it is not: it is what Trial.Known wants.
func KnownAs(t *Target, method string, v Violation) string {
	if t.Info.Module == ourModule {
		return ""
	}
	for _, k := range KnownFindings() {
		if k.matches(t, method, v) {
			return fmt.Sprintf("%s; %s; to avoid it: %s", k.Why, k.Link, k.Do)
		}
	}
	return ""
}

func (k *Known) matches(t *Target, method string, v Violation) bool {
	family, _, _ := strings.Cut(method, "-")
	name, _, _ := strings.Cut(t.Engine, "+")
	on, _ := t.Config[k.Fixed].(bool)
	return name == k.Engine && (k.Module == "" || k.Module == t.Info.Module) && !(k.Fixed != "" && on) &&
		(slices.Contains(k.Methods, family) || slices.Contains(k.Methods, method)) &&
		slices.Contains(k.Invariants, v.Invariant) && (len(k.Patterns) == 0 || slices.ContainsFunc(k.Patterns, func(p string) bool { return strings.HasPrefix(v.Pattern, p) }))
}
