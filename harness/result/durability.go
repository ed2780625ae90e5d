package result

// Durability is what a pass that traced an engine's system calls found about its
// promise for one durability class. It is taken apart from every timed cell.
type Durability struct {
	Engine     string `json:"engine"`
	Durability string `json:"durability"`
	Class      string `json:"class"`
	Verdict    string `json:"verdict"`          // one of the constants below
	Reason     string `json:"reason,omitempty"` // why it is not DurabilityProven
	// Phases hold the counts: one writer, then several.
	Phases []DurabilityPhase `json:"phases,omitempty"`
	// ByContent counts the acknowledged commits whose own bytes were followed to
	// the file and its sync; ByOrder those of which only the order of some write,
	// its sync and the acknowledgement is known.
	ByContent int `json:"by_content"`
	ByOrder   int `json:"by_order"`
	// Early counts the commits that were acknowledged before the class's promise
	// was kept.
	Early int `json:"early"`
	// LagP50Ns and LagMaxNs run from an acknowledgement until the commit was
	// durable (class interval only); the trace slows the process.
	LagP50Ns int64   `json:"lag_p50_ns,omitempty"`
	LagMaxNs int64   `json:"lag_max_ns,omitempty"`
	Seconds  float64 `json:"seconds"` // that the pass took
}

// DurabilityPhase is what happened between the first commit of a phase and the
// last acknowledgement, background work of the engine included.
type DurabilityPhase struct {
	Writers int `json:"writers"`
	Acks    int `json:"acks"`
	Writes  int `json:"writes"` // system calls that wrote to a file of the store
	// Syncs counts the system calls that made data durable, or tried, by kind:
	// fsync, fdatasync, fsync_directory, msync, sync, syncfs, dsync_write,
	// sync_write; sync_file_range is counted too, and proves nothing, since it
	// leaves the data in the device's cache.
	Syncs map[string]int `json:"syncs,omitempty"`
	// SyncsPerAck counts all but fsync_directory and sync_file_range.
	SyncsPerAck float64 `json:"syncs_per_ack"`
}

// The verdicts of a durability pass.
const (
	DurabilityProven      = "proven"                          // every commit kept the promise when it was acknowledged
	DurabilityNotProven   = "not proven"                      // it may have, the trace cannot tell
	DurabilityEarly       = "acknowledges before its promise" // at least one commit did not
	DurabilityNothing     = "nothing is promised"             // class none
	DurabilityNotVerified = "not verified here"               // the pass could not be done on this machine
	SyncFileRange         = "sync_file_range"                 // kinds that SyncsPerAck leaves out
	SyncDirectory         = "fsync_directory"
)

// DurabilityOf returns the verdict about an engine under a durability, nil if
// there was no pass.
func (r *Run) DurabilityOf(engine, durability string) *Durability {
	for i := range r.DurabilityChecks {
		if d := &r.DurabilityChecks[i]; d.Engine == engine && d.Durability == durability {
			return d
		}
	}
	return nil
}
