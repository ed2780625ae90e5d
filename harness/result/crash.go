package result

// KindCrash is a cell of the crash suite: one engine, one method, one class.
const KindCrash = "crash"

// Crash is what crashes, faults or damage of one method left of an engine.
type Crash struct {
	Method string `json:"method"` // kill, file-posix, file-ext4, block-ext4 ...
	Unit   string `json:"unit"`   // what is counted: kill, state, trial
	Wanted int    `json:"wanted"`
	Tested int    `json:"tested"`
	// Passed kept everything that the class promises. Within counts those among
	// them that lost acknowledged commits inside the declared window.
	Passed int `json:"passed"`
	Within int `json:"within_window,omitempty"`
	// Recut are those among Tested in which the power was cut within a recovery.
	Recut int `json:"recut,omitempty"`
	// NotMounted are states that the file system itself would not mount: no fault
	// of the engine, and not among Tested.
	NotMounted int `json:"not_mounted,omitempty"`
	// LostMax is the most acknowledged commits that one crash cost, LostAgeMaxNs the
	// age of the oldest commit that was lost.
	LostMax      int     `json:"lost_max,omitempty"`
	LostAgeMaxNs int64   `json:"lost_age_max_ns,omitempty"`
	Recordings   int     `json:"recordings"` // workers that were run
	Commits      int     `json:"commits"`    // that they had acknowledged
	Seconds      float64 `json:"seconds"`
	// Findings holds one entry for each sort of violation.
	Findings []CrashFinding `json:"findings,omitempty"`
}

// CrashFinding is one sort of violation.
type CrashFinding struct {
	Invariant string `json:"invariant"`
	Pattern   string `json:"pattern"`
	Count     int    `json:"count"`  // crashes that showed it
	Detail    string `json:"detail"` // of the first
	Where     string `json:"where"`  // the crash, for people
	Lost      int    `json:"lost"`   // acknowledged commits that the first one cost
	Acked     int    `json:"acked"`  // of so many
	// Known is why it is no surprise: a finding about an engine that is not ours.
	Known string `json:"known,omitempty"`
	// Replay is the directory, within the run directory, that holds all it takes to
	// see the first again.
	Replay string `json:"replay,omitempty"`
}

// Unknown counts the findings that are not known.
func (c *Crash) Unknown() int {
	n := 0
	for i := range c.Findings {
		if c.Findings[i].Known == "" {
			n++
		}
	}
	return n
}
