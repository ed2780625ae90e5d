package validity

// From here on a cell is noisy, or invalid. A noisy trial is one among others
// that met the same hour, since trials are interleaved; an invalid one says
// nothing about its engine. Each bound has its reason.
const (
	// Lag of the load generator is part of a latency from the due time. Above a
	// twentieth of a percentile it is no longer small beside what it is added to;
	// two microseconds are what a clock and a wake-up cost at best. At the median
	// it voids the cell, in the tail it is a doubt.
	lagShare   = 0.05
	lagLeastNs = 2000

	// Of the offered rate, the ends of a short phase may take some; what is
	// missing beyond that is a backlog, and then a latency grows with the length
	// of the phase.
	rateNoisy   = 0.01
	rateInvalid = 0.02

	// Due operations that were never started have no latency. One in a thousand
	// hides everything above p99.9.
	droppedInvalid = 0.001

	// A limit of the control group stops all threads of a process at once, for
	// tens of milliseconds: in 1% of the time that is all of p99.
	throttledNoisy   = 0.01
	throttledInvalid = 0.05

	// What a hypervisor took for others stops a processor for milliseconds at a
	// time. 2% are p99 of one processor; where a quarter is gone it was another,
	// smaller machine.
	stealNoisy   = 0.02
	stealInvalid = 0.25

	// Other processes. Below a tenth lie an idle system's own threads and the
	// kernel's, which also work for the cell. A thread that wakes up is let in
	// before those that compute, so that a median stands much of it; where they had
	// three quarters the cell was given what they left.
	othersNoisy   = 0.10
	othersInvalid = 0.75

	// Some task waited for memory: the page cache, and with it every read of a
	// file, is not what it would be.
	memoryNoisy = 0.01

	// The device's own p50 behind the cell over that before it, or the other way
	// round. Virtual disks drift by 15% from minute to minute; at twice the floor
	// a figure in multiples of it is not known. It concerns classes that wait for
	// the device.
	driftNoisy   = 1.25
	driftInvalid = 2

	// Steady state: a trend over the seconds that would come by chance in one cell
	// of a hundred, and a shift from the first third to the last that matters. Below
	// steadySeconds whole seconds no trend can be told from chance at that level.
	trendP        = 0.01
	shiftNoisy    = 1.10
	shiftInvalid  = 2
	steadySeconds = 6
)
