package result

import "time"

// Status says how a cell ended.
type Status string

// The statuses.
const (
	OK      Status = "ok"
	Failed  Status = "failed"  // Reason says why; figures, if any, are not to be used
	Skipped Status = "skipped" // it cannot be had here; Reason says why
)

// Cell is the result of one engine under one workload and durability, once.
type Cell struct {
	Schema       int               `json:"schema"`
	PlanCell                       // key, engine, workload, durability, trial
	Class        string            `json:"class"` // none, process, interval, sync
	Path         string            `json:"path"`  // "native" or "generic"
	Kind         string            `json:"kind"`  // KindRenewal or KindRecovery
	Status       Status            `json:"status"`
	Reason       string            `json:"reason,omitempty"`
	Warnings     []string          `json:"warnings,omitempty"`
	Validity     *Validity         `json:"validity,omitempty"` // of a cell with status ok
	Seed         uint64            `json:"seed"`
	Started      time.Time         `json:"started"`
	Finished     time.Time         `json:"finished"`
	Params       Params            `json:"params"`
	EngineConfig any               `json:"engine_config,omitempty"` // effective configuration
	Capabilities []string          `json:"capabilities,omitempty"`
	Phases       []Phase           `json:"phases,omitempty"`
	Load         *Load             `json:"load,omitempty"`
	Rewrite      *Rewrite          `json:"rewrite,omitempty"`
	Measure      *Measure          `json:"measure,omitempty"`
	Resources    *Resources        `json:"resources,omitempty"`
	EngineStats  map[string]uint64 `json:"engine_stats,omitempty"` // counters of the measured phase by snake_case name
	Spans        []Span            `json:"spans,omitempty"`        // background work of the engine
	Check        *Check            `json:"check,omitempty"`
	Recovery     *Recovery         `json:"recovery,omitempty"`
	Capacity     *Capacity         `json:"capacity,omitempty"`
	Crash        *Crash            `json:"crash,omitempty"`
}

// The kinds of cell.
const (
	KindRenewal  = "renewal"  // latency under load
	KindRecovery = "recovery" // kill -9, then exec to first verified read

	// Latency under load of the stores beside the leases.
	KindNodes      = "nodes"
	KindQueryCache = "querycache"
	KindTimeSeries = "timeseries"
)

// IsStore reports whether cells of the kind measure a store beside the leases.
func IsStore(kind string) bool {
	return kind == KindNodes || kind == KindQueryCache || kind == KindTimeSeries
}

// Params is the workload in full.
type Params struct {
	Preset        string             `json:"preset,omitempty"`
	Store         string             `json:"store,omitempty"` // of the engine: nodes, querycache or timeseries; "" is the leases
	Actors        int                `json:"actors"`          // or nodes, queries, series
	ActorTypes    int                `json:"actor_types"`
	Nodes         int                `json:"nodes"`
	LeaseSeconds  float64            `json:"lease_seconds"`
	RenewSeconds  float64            `json:"renew_seconds,omitempty"`
	ValueBytes    int                `json:"value_bytes"`  // of the lease record, without its key
	Prefill       float64            `json:"prefill"`      // share of actors that hold a lease before warm-up
	Mix           map[string]float64 `json:"mix"`          // share per operation, sums to 1
	Distribution  string             `json:"distribution"` // uniform, zipf or rounds
	ZipfS         float64            `json:"zipf_s,omitempty"`
	Loop          string             `json:"loop"`                 // open or closed
	RatePerS      float64            `json:"rate_per_s,omitempty"` // offered, open loop
	Workers       int                `json:"workers"`
	WarmupSeconds float64            `json:"warmup_seconds"`
	Seconds       float64            `json:"seconds"`
	MemoryBytes   int64              `json:"memory_bytes"` // budget given to the engine
}

// Phase is one part of a cell: load, warmup, measure, close, reopen, check.
type Phase struct {
	Name    string    `json:"name"`
	Begin   time.Time `json:"begin"`
	Seconds float64   `json:"seconds"`
}

// Load is the bulk load.
type Load struct {
	Records  int     `json:"records"`
	Bytes    int64   `json:"bytes"` // keys and values
	Seconds  float64 `json:"seconds"`
	RatePerS float64 `json:"rate_per_s"`
}

// Rewrite is what was written after the load and before the warm-up to an engine
// that becomes faster once it uses the files of its log again.
type Rewrite struct {
	Bytes       int64   `json:"bytes"` // keys and values
	Seconds     float64 `json:"seconds"`
	LogRecycled bool    `json:"log_recycled"` // seen to be; else the bounds of the rewriting were reached
}

// Measure holds the figures of the measured phase.
type Measure struct {
	Seconds        float64    `json:"seconds"`
	OfferedPerS    float64    `json:"offered_per_s,omitempty"` // open loop
	AchievedPerS   float64    `json:"achieved_per_s"`
	Ops            []OpResult `json:"ops"`
	Intervals      []Interval `json:"intervals"`
	Lag            *Latency   `json:"lag,omitempty"` // open loop: release by the generator minus due time
	InFlightMax    int        `json:"in_flight_max,omitempty"`
	Dropped        uint64     `json:"dropped,omitempty"` // due operations that found the in-flight bound full
	DeadlineMisses uint64     `json:"deadline_misses"`   // renewals acknowledged after the lease had run out
}

// OpResult is the latency of one operation with one outcome.
type OpResult struct {
	Op      string `json:"op"`      // renew, acquire, get, list, release; of a store, its own
	Outcome string `json:"outcome"` // ok, conflict, expired, not_found, evicted, error
	// Latency runs from the intended start in an open loop, and from the call in a closed one.
	Latency Latency `json:"latency"`
	// Service runs from the call to its return (open loop only; in a closed loop it is Latency).
	Service *Latency `json:"service,omitempty"`
	Error   string   `json:"error,omitempty"` // the first error's text, for outcome error
}

// Latency is a distribution of times in nanoseconds.
type Latency struct {
	Count      uint64 `json:"count"`
	OutOfRange uint64 `json:"out_of_range,omitempty"` // beyond the histogram, counted and not clamped
	MinNs      int64  `json:"min_ns"`
	P50Ns      int64  `json:"p50_ns"`
	P90Ns      int64  `json:"p90_ns"`
	P99Ns      int64  `json:"p99_ns"`
	P999Ns     int64  `json:"p999_ns"`
	P9999Ns    int64  `json:"p9999_ns"`
	MaxNs      int64  `json:"max_ns"`
	// Histogram is the HdrHistogram in its V2 compressed form (base64 in JSON),
	// for merging; percentiles are never averaged.
	Histogram string `json:"histogram,omitempty"`
}

// Interval is one second of the measured phase, for one operation, outcome ok.
type Interval struct {
	Second int    `json:"second"` // from the start of the measured phase
	Op     string `json:"op"`
	Count  uint64 `json:"count"`
	P50Ns  int64  `json:"p50_ns"`
	P99Ns  int64  `json:"p99_ns"`
	MaxNs  int64  `json:"max_ns"`
	// Bins are the latencies of the second, coarsely; absent in results of older programs.
	Bins []Bin `json:"bins,omitempty"`
}

// BinsPerDecade is how fine the bins of a second are.
const BinsPerDecade = 12

// Bin is {k, n}: n operations took from 10^(k/BinsPerDecade) to 10^((k+1)/BinsPerDecade)
// nanoseconds. Empty bins are left out, the others are in order.
type Bin [2]uint64

// Resources is what the child process used in the measured phase.
type Resources struct {
	CPUUserNs        int64   `json:"cpu_user_ns"`
	CPUSystemNs      int64   `json:"cpu_system_ns"`
	CPUPerOpNs       float64 `json:"cpu_per_op_ns"`
	Memory           Memory  `json:"memory"`             // at the end of the measured phase
	WrittenBytes     uint64  `json:"written_bytes"`      // handed to the kernel by write calls
	DeviceWriteBytes uint64  `json:"device_write_bytes"` // caused to be sent to the device (/proc/self/io write_bytes)
	UserBytes        uint64  `json:"user_bytes"`         // keys and values of the acknowledged writes
	DiskBytes        uint64  `json:"disk_bytes"`         // allocated in the store's directory after the phase
	LiveBytes        uint64  `json:"live_bytes"`         // keys and values of the live records
	Allocations      uint64  `json:"allocations"`        // Go heap objects, harness included
	GCPauseNs        uint64  `json:"gc_pause_ns"`
	GCCPUFraction    float64 `json:"gc_cpu_fraction"`
	// Machine is what went on around the process; nil where the kernel did not say.
	Machine *Machine `json:"machine,omitempty"`
}

// Machine is what the whole machine met in the measured phase. Shares are of
// the processors' time together, pressures of the phase's length.
type Machine struct {
	OthersCPUShare float64 `json:"others_cpu_share"` // used by other processes, kernel threads among them
	StealShare     float64 `json:"steal_share"`      // given to other virtual machines
	// ThrottledShare is what a limit of the control group kept this process from
	// using; nil where no group has a limit.
	ThrottledShare *float64 `json:"throttled_share,omitempty"`
	// Pressure is the share of the phase in which some task waited, by resource:
	// cpu, io, memory. Without pressure stall information it is empty.
	Pressure map[string]float64 `json:"pressure,omitempty"`
	// What the store's block device completed, whoever asked for it; flushes are
	// writes without bytes. Nil where the file system is on no single device.
	DeviceWrites *uint64 `json:"device_writes,omitempty"`
	DeviceBytes  *uint64 `json:"device_bytes,omitempty"`
}

// Memory is the split of the resident set.
type Memory struct {
	ResidentBytes   uint64  `json:"resident_bytes"`
	GoHeapBytes     uint64  `json:"go_heap_bytes"`              // live and not yet collected objects
	GoOtherBytes    uint64  `json:"go_other_bytes"`             // stacks, runtime structures, freed spans still held
	AnonymousBytes  uint64  `json:"anonymous_bytes"`            // resident anonymous memory outside the Go runtime: C allocations, arenas
	MappedFileBytes uint64  `json:"mapped_file_bytes"`          // resident pages of mapped files
	PageCacheBytes  *uint64 `json:"page_cache_bytes,omitempty"` // pages of the store's files in the page cache
	HarnessBytes    uint64  `json:"harness_bytes"`              // resident before the engine was opened
}

// Span is one piece of background work; offsets are from the start of the measured phase.
type Span struct {
	Kind   string  `json:"kind"`
	BeginS float64 `json:"begin_s"`
	EndS   float64 `json:"end_s"`
	Bytes  uint64  `json:"bytes,omitempty"`
}

// Check is the judgement after close and reopen.
type Check struct {
	ReopenSeconds float64 `json:"reopen_seconds"`
	Records       int     `json:"records"`           // leases compared with what was acknowledged
	Lost          int     `json:"lost"`              // acknowledged and missing or older
	Phantom       int     `json:"phantom"`           // never issued
	Evicted       int     `json:"evicted,omitempty"` // acknowledged and gone from a store whose engine may evict
	Verdict       string  `json:"verdict"`           // "ok" or what was found
}

// Recovery is kill -9 of a loaded child, then exec to first verified read.
type Recovery struct {
	Leases            int             `json:"leases"`
	RenewalsSinceLoad int             `json:"renewals_since_load"`
	Cache             string          `json:"cache"` // warm, or cold (page cache dropped)
	Repetitions       []RecoveryTrial `json:"repetitions"`
	Curve             *Curve          `json:"curve,omitempty"` // of KindCurve
}

// RecoveryTrial is one kill and recovery.
type RecoveryTrial struct {
	Cache        string `json:"cache,omitempty"` // of a curve: warm or cold
	ExecToOpenNs int64  `json:"exec_to_open_ns"` // exec of the process until Open returned
	OpenNs       int64  `json:"open_ns"`         // Open alone
	FirstReadNs  int64  `json:"first_read_ns"`   // exec until the first verified read
	FirstWriteNs int64  `json:"first_write_ns"`  // exec until the first acknowledged renewal
	Acknowledged int    `json:"acknowledged"`    // leases whose acknowledged version was compared
	Lost         int    `json:"lost"`            // of these, missing or older than acknowledged
	DiskBytes    uint64 `json:"disk_bytes"`
	// CachedBytes is how much of the copy lay in the kernel's page cache (mincore)
	// just before the process was started, of a curve: 0 is what makes it cold.
	CachedBytes *uint64 `json:"cached_bytes,omitempty"`
}
