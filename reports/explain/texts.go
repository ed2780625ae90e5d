package explain

const (
	note  = "The design note's table of alternatives"
	tene  = "G. Tene, \"How NOT to Measure Latency\"; HdrHistogram"
	proc  = "Linux, proc(5)"
	ycsb  = "B. F. Cooper et al., \"Benchmarking Cloud Serving Systems with YCSB\", SoCC 2010"
	amps  = "RocksDB Tuning Guide, amplification factors"
	fsync = "POSIX fsync; Linux fdatasync(2), open(2) O_DIRECT and O_DSYNC"
)

var metrics = []Entry{
	{Name: "write_p50", Kind: Metric, Also: []string{"write latency"}, Source: note + "; " + tene,
		Text: "The median latency of a successful lease renewal. In an open loop it runs from the moment at which the renewal was due, not from when a worker got to it, so that a stall shows in every operation that it delayed; in a closed loop it runs from the call. It is read from the merged histograms of all trials and judged against the design note's range."},
	{Name: "write_p99", Kind: Metric, Also: []string{"p99"}, Source: tene,
		Text: "The latency that one renewal in a hundred exceeds, from the merged histograms of all trials; percentiles of trials are never averaged. The interval beside it is the 95% interval of the median of the trials' own p99s, or for fewer than six trials their range. Engines are ranked by it: those whose trials overlap are no single winner."},
	{Name: "write_p999", Kind: Metric, Also: []string{"p99.9"}, Source: tene,
		Text: "The latency that one renewal in a thousand exceeds: checkpoints, compactions and the device's own hiccups live here. It needs ten thousand samples; an asterisk marks a percentile with fewer than ten samples above it, which one stall more or less moves."},
	{Name: "read_p50", Kind: Metric, Also: []string{"read latency"}, Source: note,
		Text: "The median latency of reading one lease that exists, among the writes of the same load. Reads share the workers with writes: in an open loop a read waits behind a slow write, and its latency shows it."},
	{Name: "read_p99", Kind: Metric, Source: tene,
		Text: "The latency that one read in a hundred exceeds, from the merged histograms of all trials."},
	{Name: "recovery", Kind: Metric, Also: []string{"recovery time", "rto"}, Source: note,
		Text: "The time from the exec of a process on a store whose last process was killed with SIGKILL while it was writing, to the first read that returns a correct lease. The table shows the median of all kills, the chart the lowest and the highest. The page cache is dropped before where the kernel allows it (cold), and each recovered lease is compared with what had been acknowledged."},
	{Name: "floor", Kind: Metric, Also: []string{"/floor", "device floor"}, Source: fsync,
		Text: "What the device alone takes for one durable write, with no engine in between: a 4 KiB overwrite of a zero-filled file through O_DIRECT and O_DSYNC, and an append of a record with fdatasync. It is probed before, between and after the cells of the same run. An engine that waits for the device cannot be faster than it at one write a commit; one that is promises less or the device lies."},
	{Name: "lines", Kind: Metric, Also: []string{"complexity", "complexity lines"}, Source: note,
		Text: "Lines of code of the engine's own module or packages, without tests, comments and blanks. It is a proxy: it does not measure how hard an engine is to understand or to operate, and C++ below a binding is not counted at all."},
	{Name: "dependencies", Kind: Metric, Also: []string{"deps", "complexity deps"}, Source: "go list -deps",
		Text: "Modules beyond the standard library that an engine draws into the program: a proxy for what has to be kept up to date with it."},
	{Name: "tunables", Kind: Metric, Also: []string{"options", "complexity options"}, Source: "The engine's effective configuration, kept in each cell",
		Text: "Options in the effective configuration of the engine: a proxy for what there is to get wrong."},
	{Name: "goroutines", Kind: Metric, Also: []string{"complexity goroutines"}, Source: "Go, runtime.NumGoroutine",
		Text: "Goroutines that one open, idle engine adds: a proxy for background work. Threads of C++ are not seen."},
	{Name: "memory", Kind: Metric, Also: []string{"memory used"}, Source: proc,
		Text: "Resident memory of the cell's own process at the end of the measured phase, less what the harness held before the engine was opened, and less mapped pages of the store's files, which the kernel can take back and which stand in a column of their own."},
	{Name: "memory_per_million", Kind: Metric, Also: []string{"per M", "memory per M leases"}, Source: proc,
		Text: "The memory of the engine divided by the leases in its store, times a million. Fixed costs, such as a block cache or a memtable, weigh more in a small store."},
	{Name: "mapped", Kind: Metric, Also: []string{"memory mapped"}, Source: proc,
		Text: "Resident pages of mapped files. They are page cache: the kernel can take them back, but reads then wait for the device."},
	{Name: "write_amplification", Kind: Metric, Also: []string{"write amp.", "wr.amp"}, Source: amps,
		Text: "Bytes that the process caused to be sent to the device in the measured phase (write_bytes of /proc/self/io), per byte of keys and values of acknowledged writes. Whole blocks count: one renewal of 256 bytes that is synced alone costs 4 KiB at least, whatever the engine."},
	{Name: "space_amplification", Kind: Metric, Also: []string{"space amp.", "sp.amp"}, Source: amps,
		Text: "Bytes allocated in the store's directory after the measured phase, per byte of keys and values of the live leases. Logs that are kept for use again count."},
	{Name: "cpu_per_op", Kind: Metric, Also: []string{"CPU/op"}, Source: "Linux, getrusage(2)",
		Text: "User and system time of the cell's process per operation. The load generator's own part is in it for every engine alike; what it costs with no engine is printed with the run."},
	{Name: "disk", Kind: Metric, Also: []string{"resources disk"}, Source: "Linux, stat(2)",
		Text: "Bytes allocated in the store's directory after the measured phase, preallocated log files included."},
	{Name: "capacity", Kind: Metric, Also: []string{"leases at the promise", "knee"}, Source: "Google, Site Reliability Engineering: service level objectives",
		Text: "How many leases an engine keeps alive at a promise such as \"p99.9 <= 10 ms\": the highest rate of renewals confirmed in trials with all leases loaded, times the interval of renewal. It stands as a bracket: confirmed, and the lowest number that was refuted."},
	{Name: "lag", Kind: Metric, Also: []string{"generator lag"}, Source: tene,
		Text: "How late the load generator released an operation after its due time. It has a histogram of its own; a cell of which it decides the latencies is not valid, and not slow."},
	{Name: "claim", Kind: Metric, Also: []string{"claimed", "verdict"}, Source: note,
		Text: "The range that the design note claims, without durability class, data size, load or hardware. Inside: the median lies in the range. Better, worse: it lies below or above it, by that factor. Not comparable: there is no valid figure, with the reason. Claim < floor: the whole range lies below what the device takes for one durable write."},
	{Name: "score", Kind: Metric, Also: []string{"chooser", "weights"}, Source: "P. J. Fleming and J. J. Wallace, \"How not to lie with statistics\", CACM 1986: geometric means of ratios",
		Text: "The weighted geometric mean of an engine's ratios to the best, lower is better. A geometric mean does not depend on which engine the ratios are taken to. The weights are the reader's own."},
}

var classes = []Entry{
	{Name: "none", Kind: Class, Source: "orbitbench, durability classes",
		Text: "An acknowledged write is lost with the process. Only a baseline for what the other classes cost."},
	{Name: "process", Kind: Class, Also: []string{"kill -9"}, Source: "Linux: a write that the kernel has taken outlives the process, signal(7)",
		Text: "An acknowledged write survives kill -9 of the process, since the kernel holds it, and is lost with the machine. The cost of an operation is measured here in a closed loop."},
	{Name: "interval", Kind: Class, Also: []string{"interval:10ms"}, Source: "Redis, appendfsync everysec; MongoDB, journal commit interval",
		Text: "A power cut loses at most the last window, such as 10 ms, of acknowledged writes. A lease that lasts minutes can often afford it; an acknowledgement does not wait for the device."},
	{Name: "sync", Kind: Class, Also: []string{"durable"}, Source: fsync,
		Text: "An acknowledged write survives a power cut, if the device keeps its word about a flush. The acknowledgement waits for the device; group commit lets many writes share one wait. Whether each engine keeps the order is traced apart from the timed cells."},
}

var workloads = []Entry{
	{Name: "open loop", Kind: Workload, Also: []string{"open"}, Source: "B. Schroeder, A. Wierman, M. Harchol-Balter, \"Open Versus Closed: A Cautionary Tale\", NSDI 2006",
		Text: "Operations fall due at a fixed rate whether the engine keeps up or not, as clients that do not know of each other send them. Latency runs from the due time. An engine that falls short of the rate is marked, and not ranked: its latency is that of a growing queue."},
	{Name: "closed loop", Kind: Workload, Also: []string{"closed"}, Source: "B. Schroeder, A. Wierman, M. Harchol-Balter, \"Open Versus Closed: A Cautionary Tale\", NSDI 2006",
		Text: "Each worker sends its next operation when the last one has returned. It shows the cost of an operation, and hides stalls: while one lasts nobody asks."},
	{Name: "renewal", Kind: Workload, Also: []string{"renew"}, Source: "orbit-rs: actor leases renewed by their nodes",
		Text: "The load of the leases: mostly renewals of leases that exist, some reads, acquisitions and lists by node, on uniform keys or by Zipf's law. A renewal is compare-and-swap on the lease's version and sets its expiry."},
	{Name: "recovery workload", Kind: Workload, Also: []string{"kill"}, Source: note,
		Text: "A process that renews leases is killed with SIGKILL; a new one is started on its store and timed to its first verified read. Every lease is compared with what was acknowledged."},
	{Name: "nodes", Kind: Workload, Also: []string{"cluster members"}, Source: "orbit-rs: node leases of 30 s renewed every 10 s",
		Text: "The store of cluster members beside the leases: few records, renewed often, listed whole."},
	{Name: "querycache", Kind: Workload, Source: "The design note's query cache; popularity as in " + ycsb,
		Text: "Results of queries with a time to live, by Zipf's law: look-ups, puts, expiry, and eviction where the engine declares it."},
	{Name: "timeseries", Kind: Workload, Source: "The design note's time series: metric, timestamp, value, labels",
		Text: "Points appended to many series and read back as ranges of time."},
	{Name: "crash", Kind: Workload, Also: []string{"crash matrix"}, Source: "T. S. Pillai et al., \"All File Systems Are Not Created Equal\", OSDI 2014",
		Text: "The store is left in states that a power cut may leave, and opened again; what was acknowledged must be there, as far as the class promises it."},
}
