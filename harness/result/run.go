package result

import "time"

// SchemaVersion is the version of the schema that this package writes.
const SchemaVersion = 1

// Run is run.json: what was asked, where it ran, and what is true for all cells.
type Run struct {
	Schema      int         `json:"schema"`
	Tool        Tool        `json:"tool"`
	CommandLine []string    `json:"command_line"`
	Profile     string      `json:"profile"`
	Preview     bool        `json:"preview"` // too short to be more than a look (profile quick)
	Seed        uint64      `json:"seed"`
	Started     time.Time   `json:"started"`
	Finished    *time.Time  `json:"finished,omitempty"`
	Interrupted bool        `json:"interrupted,omitempty"`
	Environment Environment `json:"environment"`
	Engines     []Engine    `json:"engines"`
	Plan        []PlanCell  `json:"plan"` // every cell of the run, in the order in which they run
	Floors      []Floor     `json:"floors"`
	Overhead    *Overhead   `json:"overhead,omitempty"`
	Warnings    []string    `json:"warnings,omitempty"`
	// Doctor is what was found about the machine before the first cell.
	Doctor []Finding `json:"doctor,omitempty"`
	// DurabilityChecks holds one entry for each engine and durability of the plan
	// that was traced; none where that was not asked for.
	DurabilityChecks []Durability `json:"durability_checks,omitempty"`
}

// Finding is one check of the machine that a result was taken on.
type Finding struct {
	Check  string `json:"check"`  // stable name: file_system, write_cache, floor ...
	Status string `json:"status"` // FindingInfo, FindingPass, FindingWarn or FindingFail
	Found  string `json:"found"`
	Remedy string `json:"remedy,omitempty"` // of a warning or a failure
}

// The statuses of a Finding, mildest first.
const (
	FindingInfo = "INFO"
	FindingPass = "PASS"
	FindingWarn = "WARN"
	FindingFail = "FAIL"
)

// Tool is the program that wrote the result.
type Tool struct {
	Version   string            `json:"version"`
	Commit    string            `json:"commit,omitempty"`
	Modified  bool              `json:"modified,omitempty"` // built from a tree with uncommitted changes
	GoVersion string            `json:"go_version"`
	Modules   map[string]string `json:"modules,omitempty"` // engine libraries and their versions
}

// PlanCell is one cell of the plan.
type PlanCell struct {
	Key        string `json:"key"` // stable: engine/path/workload/durability/trial with dashes; file name of the cell
	Engine     string `json:"engine"`
	Workload   string `json:"workload"`
	Durability string `json:"durability"`
	Trial      int    `json:"trial"` // from 1
	// ControlOf is set in an A/A control: the key of the cell that this one
	// repeats, with the same engine, load and seed, in the same block of trials. What
	// the two differ by is the noise of the machine; a control is no result of its engine.
	ControlOf string `json:"control_of,omitempty"`
}

// Engine describes an engine of the run, ran or not.
type Engine struct {
	Name                 string            `json:"name"`
	Title                string            `json:"title"`
	Role                 string            `json:"role"`
	Claim                string            `json:"claim,omitempty"` // row of the design note's table
	Summary              string            `json:"summary"`
	Module               string            `json:"module"`
	Cgo                  bool              `json:"cgo,omitempty"`
	Classes              []string          `json:"classes"`
	WhyNot               map[string]string `json:"why_not,omitempty"`
	Configuration        string            `json:"configuration,omitempty"`
	VisibleBeforeDurable bool              `json:"visible_before_durable,omitempty"`
	Complexity           *Complexity       `json:"complexity,omitempty"`
}

// Complexity holds proxies for how much code an engine is; none of them
// measures how hard it is.
type Complexity struct {
	Lines        int    `json:"lines"`          // non-test Go (or C, C++) lines of the engine's own module or packages, comments and blanks excluded
	Dependencies int    `json:"dependencies"`   // modules beyond the standard library that it draws in
	Tunables     int    `json:"tunables"`       // options in its effective configuration
	Goroutines   int    `json:"goroutines"`     // goroutines that one open, idle engine adds (threads of C++ are not seen)
	Note         string `json:"note,omitempty"` // what the counts leave out
}

// Environment is the machine as it was found.
type Environment struct {
	Hostname       string            `json:"hostname"`
	OS             string            `json:"os"`
	Kernel         string            `json:"kernel"`
	Arch           string            `json:"arch"`
	CPUModel       string            `json:"cpu_model"`
	CPUs           int               `json:"cpus"` // usable by this process
	Governor       string            `json:"governor,omitempty"`
	MemoryBytes    uint64            `json:"memory_bytes"`
	CgroupCPU      string            `json:"cgroup_cpu,omitempty"`
	CgroupMemory   string            `json:"cgroup_memory,omitempty"`
	Virtualization string            `json:"virtualization,omitempty"`
	LoadAverage    [3]float64        `json:"load_average"`
	ClockSource    string            `json:"clock_source,omitempty"`
	DataDir        string            `json:"data_dir"`
	FileSystem     string            `json:"file_system"`
	MountOptions   string            `json:"mount_options"`
	MountSource    string            `json:"mount_source"`
	Device         string            `json:"device,omitempty"`
	DeviceModel    string            `json:"device_model,omitempty"`
	WriteCache     string            `json:"write_cache,omitempty"` // "write back" or "write through", as the kernel sees it
	Rotational     *bool             `json:"rotational,omitempty"`
	Scheduler      string            `json:"scheduler,omitempty"`
	FreeDiskBytes  uint64            `json:"free_disk_bytes"`
	Variables      map[string]string `json:"variables,omitempty"` // GOMAXPROCS, GOGC, GOMEMLIMIT where set
}

// Floor is one probe of the device, with no engine in between.
type Floor struct {
	Kind    string    `json:"kind"` // FloorOverwrite or FloorAppend
	When    time.Time `json:"when"`
	Before  string    `json:"before,omitempty"` // key of the cell that followed, "" after the last
	Bytes   int       `json:"bytes"`            // of one write
	Latency Latency   `json:"latency"`
	Error   string    `json:"error,omitempty"` // why there is no figure
}

// The kinds of floor.
const (
	FloorOverwrite = "overwrite" // 4 KiB O_DIRECT|O_DSYNC overwrite of a zero-filled file
	FloorAppend    = "append"    // append of the record size + fdatasync
)

// Overhead is what the harness itself costs: a closed loop on the no-op engine.
type Overhead struct {
	PerOpNs    float64 `json:"per_op_ns"` // per operation and thread, every operation timed
	AllocPerOp float64 `json:"alloc_per_op"`
	Threads    int     `json:"threads"`
	Speedup    float64 `json:"speedup"` // throughput of Threads threads over one
}
