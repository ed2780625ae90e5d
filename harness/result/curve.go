package result

// KindCurve is the kind of a cell of `recover`: one point of the curve of
// recovery time against store size and log. Its result is a Recovery whose
// repetitions start from copies of one killed store.
const KindCurve = "recovery_curve"

// Curve is what a Recovery of KindCurve has beside its repetitions.
type Curve struct {
	// LogRenewals is how many renewals were acknowledged between the checkpoint
	// and the kill, and LogUserBytes what their keys and values take.
	LogRenewals  int    `json:"log_renewals"`
	LogUserBytes uint64 `json:"log_user_bytes"`
	// Checkpointed: the engine took a checkpoint on request before the renewals.
	// Where it cannot, its log holds the load too, as far as the engine has not
	// cut it by itself.
	Checkpointed bool   `json:"checkpointed"`
	StoreBytes   uint64 `json:"store_bytes"` // allocated in the killed store
	Copy         string `json:"copy"`        // how copies are made: CopyReflink or CopyBytes
	// ColdReads and WarmReads are single reads of random leases after the first
	// write, with the page cache dropped before the open, or filled. An engine
	// that reads all of its store at open has everything in memory by then.
	ColdReads *Latency `json:"cold_reads,omitempty"`
	WarmReads *Latency `json:"warm_reads,omitempty"`
}

// The ways of copying.
const (
	CopyReflink = "reflink" // the copies share their blocks until they are written
	CopyBytes   = "bytes"
)
