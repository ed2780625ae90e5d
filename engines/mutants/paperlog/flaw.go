package paperlog

import "slices"

// Flaw is one way to break the engine.
type Flaw string

// The flaws. Each line says what the mutant does.
const (
	Control Flaw = "" // nothing wrong

	NoFsync          Flaw = "nofsync"          // the log is written and never synced
	NoMsync          Flaw = "nomsync"          // the mapped log is stored into and never synced
	NoDirSync        Flaw = "nodirsync"        // names of files are never made durable
	SnapshotUnsynced Flaw = "snapshotunsynced" // the snapshot is renamed into place without a sync
	CutEarly         Flaw = "cutearly"         // the old generation is removed before the new one is durable
	NoChecksum       Flaw = "nochecksum"       // what is read is believed
	NoBounds         Flaw = "nobounds"         // lengths that are read are not checked against the file
	AckEarly         Flaw = "ackearly"         // a commit is acknowledged before its sync, which follows
	Buffered         Flaw = "buffered"         // frames stay in a buffer of the process, which is not flushed before the sync
	VersionReset     Flaw = "versionreset"     // the reserved versions are forgotten when the store is opened
	SwallowFsync     Flaw = "swallowfsync"     // the error of a sync is ignored
	RetriesFsync     Flaw = "retriesfsync"     // the error of a sync fails one commit, and the engine goes on
	ShortWrite       Flaw = "shortwrite"       // how much a write wrote is not looked at
	SpinsWhenFull    Flaw = "spinswhenfull"    // a full disk is tried again for ever
	TornBatch        Flaw = "tornbatch"        // each operation of a batch is a frame of its own
	ReleaseReturns   Flaw = "releasereturns"   // deletes are not logged
	KeepsTornTail    Flaw = "keepstorntail"    // recovery appends behind a torn frame instead of cutting it off
	MendsInPlace     Flaw = "mendsinplace"     // recovery empties a log with a torn frame and writes the whole ones again
)

// The methods of the crash suite, as its flag --methods names their families.
const (
	byKill   = "kill"
	byFile   = "file"
	byBlock  = "block"
	byFaults = "faults"
	byDamage = "damage"
)

// Mutant is one broken engine and what finds it.
type Mutant struct {
	Flaw Flaw
	What string // what it does, for the matrix
	// FoundBy lists families of methods (kill, file, block, faults, damage), the
	// first of which must find it; the others may.
	FoundBy []string
}

// All returns every mutant, in the order of the matrix.
func All() []Mutant {
	return []Mutant{
		{NoFsync, "never syncs its log", []string{byFile, byBlock}},
		{NoMsync, "never syncs its mapped log", []string{byFile, byBlock}},
		{NoDirSync, "never syncs a directory", []string{byFile}},
		{SnapshotUnsynced, "renames an unsynced snapshot into place", []string{byFile, byBlock}},
		{CutEarly, "removes the old log before the new one is durable", []string{byFile, byKill, byBlock}},
		{NoChecksum, "has no checksums", []string{byDamage}},
		{NoBounds, "trusts the lengths that it reads", []string{byDamage}},
		{AckEarly, "acknowledges before the sync", []string{byFile, byBlock}},
		{Buffered, "syncs before its own buffer was written", []string{byKill, byFile, byBlock}},
		{VersionReset, "starts versions anew when it is opened", []string{byKill, byFile, byBlock}},
		{SwallowFsync, "ignores the error of a sync", []string{byFaults}},
		{RetriesFsync, "goes on after a failed sync", []string{byFaults}},
		{ShortWrite, "ignores a short write", []string{byFaults}},
		{SpinsWhenFull, "tries again for ever on a full disk", []string{byFaults}},
		{TornBatch, "writes a batch piece by piece", []string{byFile, byKill, byBlock}},
		{ReleaseReturns, "does not log deletes", []string{byKill, byFile, byBlock}},
		{KeepsTornTail, "appends behind a torn frame", []string{byFile, byBlock}},
		{MendsInPlace, "writes a torn log anew in place when it recovers", []string{byFile, byBlock}},
	}
}

// mapped reports whether the flaw is one of the mapped log.
func (f Flaw) mapped() bool { return f == NoMsync }

// Drivers returns the control, the control with a mapped log, and every mutant.
func Drivers() []Driver {
	all := []Driver{{}, {Mapped: true}}
	for _, m := range All() {
		all = append(all, Driver{Flaw: m.Flaw, Mapped: m.Flaw.mapped()})
	}
	return all
}

// Find returns the mutant of that flaw.
func Find(f Flaw) (Mutant, bool) {
	all := All()
	i := slices.IndexFunc(all, func(m Mutant) bool { return m.Flaw == f })
	if i < 0 {
		return Mutant{}, false
	}
	return all[i], true
}
