package cell

import (
	"orbitbench/harness/procstat"
	"orbitbench/harness/result"
)

// around looks at the machine before and after a phase. What cannot be read
// leaves no figure: it is a doubt less that one can have, and no reason to fail.
type around struct {
	machine  procstat.Machine
	device   procstat.Device
	writes   procstat.DeviceWrites
	ok       bool // machine was read
	onDevice bool // writes was read
}

func beginAround(dir string) *around {
	a := &around{}
	var err error
	if a.device, err = procstat.DeviceOf(dir); err == nil {
		a.writes, err = a.device.Read()
		a.onDevice = err == nil
	}
	a.machine, err = procstat.ReadMachine()
	a.ok = err == nil
	return a
}

// end is what the machine met since, beside ownNs of this process.
func (a *around) end(ownNs int64) *result.Machine {
	now, err := procstat.ReadMachine()
	span := now.When.Sub(a.machine.When)
	if err != nil || !a.ok || span <= 0 {
		return nil
	}
	all := float64(span) * float64(now.CPUs)
	m := &result.Machine{
		OthersCPUShare: max(0, float64(now.BusyNs-a.machine.BusyNs-ownNs)/all),
		StealShare:     float64(now.StealNs-a.machine.StealNs) / all,
	}
	if now.Limited && a.machine.Limited {
		share := float64(now.ThrottledNs-a.machine.ThrottledNs) / all
		m.ThrottledShare = &share
	}
	for name, ns := range now.Stalled {
		if m.Pressure == nil {
			m.Pressure = map[string]float64{}
		}
		m.Pressure[name] = float64(ns-a.machine.Stalled[name]) / float64(span)
	}
	if writes, err := a.device.Read(); err == nil && a.onDevice {
		requests, bytes := writes.Writes-a.writes.Writes, writes.Bytes-a.writes.Bytes
		m.DeviceWrites, m.DeviceBytes = &requests, &bytes
	}
	return m
}
