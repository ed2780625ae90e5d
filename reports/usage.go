package reports

import (
	"fmt"
	"slices"

	"orbitbench/harness/result"
)

// usage holds what the trials of a row used, one entry a trial.
type usage struct {
	resident     []float64 // bytes above what the harness itself held before the engine was opened
	own          []float64 // the same without mapped pages of the store's files, which the kernel can take back
	perMillion   []float64 // own, per million leases
	goHeap       []float64
	goOther      []float64
	anonymous    []float64
	mapped       []float64
	pageCache    []float64
	disk         []float64
	cpuPerOp     []float64            // nanoseconds
	deviceWrites []float64            // by operation, of the whole device: flushes and whatever others wrote among them
	deviceBytes  []float64            // by operation, likewise
	writeAmp     []float64            // bytes sent to the device per byte of user records
	spaceAmp     []float64            // bytes on disk per byte of live records
	machine      map[string][]float64 // shares by the names of machineShares
	device, user float64              // bytes written, all trials
	space, live  float64              // bytes on disk and of live records, all trials
}

func (u *usage) add(c *result.Cell) {
	res := c.Resources
	if res == nil {
		return
	}
	m := res.Memory
	// Below the harness' own memory lies no figure: pages that were resident
	// before the engine was opened have gone since. [belowHarness] says so.
	if above := float64(m.ResidentBytes) - float64(m.HarnessBytes); above > 0 {
		own := max(0, above-float64(m.MappedFileBytes))
		u.resident = append(u.resident, above)
		u.own = append(u.own, own)
		if n := leasesOf(c); n > 0 {
			u.perMillion = append(u.perMillion, own*1e6/float64(n))
		}
	}
	u.goHeap = append(u.goHeap, float64(m.GoHeapBytes))
	u.goOther = append(u.goOther, float64(m.GoOtherBytes))
	u.anonymous = append(u.anonymous, float64(m.AnonymousBytes))
	u.mapped = append(u.mapped, float64(m.MappedFileBytes))
	if m.PageCacheBytes != nil {
		u.pageCache = append(u.pageCache, float64(*m.PageCacheBytes))
	}
	u.disk = append(u.disk, float64(res.DiskBytes))
	if res.CPUPerOpNs > 0 {
		u.cpuPerOp = append(u.cpuPerOp, res.CPUPerOpNs)
	}
	if n := operationsOf(c.Measure); n > 0 && res.Machine != nil && res.Machine.DeviceWrites != nil && res.Machine.DeviceBytes != nil {
		u.deviceWrites = append(u.deviceWrites, float64(*res.Machine.DeviceWrites)/n)
		u.deviceBytes = append(u.deviceBytes, float64(*res.Machine.DeviceBytes)/n)
	}
	for name, share := range machineShares(res.Machine) {
		if u.machine == nil {
			u.machine = map[string][]float64{}
		}
		u.machine[name] = append(u.machine[name], share)
	}
	if f, ok := ratio(float64(res.DeviceWriteBytes), float64(res.UserBytes)); ok {
		u.writeAmp = append(u.writeAmp, f)
	}
	if f, ok := ratio(float64(res.DiskBytes), float64(res.LiveBytes)); ok {
		u.spaceAmp = append(u.spaceAmp, f)
	}
	u.device += float64(res.DeviceWriteBytes)
	u.user += float64(res.UserBytes)
	u.space += float64(res.DiskBytes)
	u.live += float64(res.LiveBytes)
}

// operationsOf is how many operations a measured phase carried out.
func operationsOf(m *result.Measure) (n float64) {
	if m == nil {
		return 0
	}
	for _, o := range m.Ops {
		n += float64(o.Latency.Count + o.Latency.OutOfRange)
	}
	return n
}

// belowHarness reports whether a cell ended with less resident memory than the
// harness held before the engine was opened, so that the engine's own is not known.
func belowHarness(c *result.Cell) bool {
	return c.Resources != nil && c.Resources.Memory.ResidentBytes < c.Resources.Memory.HarnessBytes
}

// leasesOf is how many leases the store of a cell held when its memory was
// read: those loaded and those acquired since.
func leasesOf(c *result.Cell) int {
	if c.Load != nil && c.Load.Bytes > 0 && c.Load.Records > 0 && c.Resources != nil && c.Resources.LiveBytes > 0 {
		return int(float64(c.Resources.LiveBytes) / float64(c.Load.Bytes) * float64(c.Load.Records))
	}
	if c.Load != nil && c.Load.Records > 0 {
		return c.Load.Records
	}
	return int(float64(c.Params.Actors) * c.Params.Prefill)
}

// writeAmplification is bytes sent to the device per byte of user records.
func (u *usage) writeAmplification() (float64, bool) { return ratio(u.device, u.user) }

// spaceAmplification is bytes on disk per byte of live records.
func (u *usage) spaceAmplification() (float64, bool) { return ratio(u.space, u.live) }

func ratio(a, b float64) (float64, bool) {
	if b <= 0 {
		return 0, false
	}
	return a / b, true
}

// median returns the middle of the trials' values. Unlike a percentile of
// latencies it is taken over trials: memory and disk have one value a trial.
func median(values []float64) (float64, bool) {
	if len(values) == 0 {
		return 0, false
	}
	v := slices.Sorted(slices.Values(values))
	return (v[(len(v)-1)/2] + v[len(v)/2]) / 2, true
}

// recovery is exec of a process on a killed store to its first verified read,
// every repetition of every trial.
type recovery struct {
	firstRead, firstWrite  []float64 // nanoseconds
	execToOpen, open, disk []float64 // nanoseconds; bytes
	numbers                []int     // of trial and repetition
	leases                 int
	cache                  string
	acknowledged, lost     int
	reason                 string // why there is no figure, or ""
}

// mixedCache says that not all repetitions began with the same page cache.
const mixedCache = "warm or cold"

func (v *recovery) add(c *result.Cell) error {
	if v.leases != 0 && v.leases != c.Recovery.Leases {
		return fmt.Errorf("recovery of %d leases beside a trial of the same workload with %d", c.Recovery.Leases, v.leases)
	}
	v.leases = c.Recovery.Leases
	switch {
	case v.cache == "":
		v.cache = c.Recovery.Cache
	case v.cache != c.Recovery.Cache:
		v.cache = mixedCache // a kernel may refuse to drop its pages in one trial only
	}
	for i, t := range c.Recovery.Repetitions {
		if t.FirstReadNs <= 0 {
			continue // a recovery that is not to be timed
		}
		v.numbers = append(v.numbers, c.Trial*10_000+i)
		v.firstRead = append(v.firstRead, float64(t.FirstReadNs))
		v.firstWrite = append(v.firstWrite, float64(t.FirstWriteNs))
		v.execToOpen = append(v.execToOpen, float64(t.ExecToOpenNs))
		v.open = append(v.open, float64(t.OpenNs))
		v.disk = append(v.disk, float64(t.DiskBytes))
		v.acknowledged += t.Acknowledged
		v.lost += t.Lost
	}
	return nil
}

// settle keeps the reason of a recovery cell that gave no figure. Of several
// the last one stands for all.
func (v *recovery) settle(it item) {
	switch {
	case it.cell == nil:
		v.reason = "not run"
	case it.cell.Status == result.Failed:
		v.reason = "failed: " + orUnknown(it.cell.Reason)
	case it.cell.Status == result.Skipped:
		v.reason = "skipped: " + orUnknown(it.cell.Reason)
	}
}

// lowest and highest return an end of the values, 0 of none.
func lowest(values ...float64) float64 {
	if len(values) == 0 {
		return 0
	}
	return slices.Min(values)
}

func highest(values ...float64) float64 {
	if len(values) == 0 {
		return 0
	}
	return slices.Max(values)
}
