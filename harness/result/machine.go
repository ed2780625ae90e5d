package result

import (
	"encoding/json"
	"fmt"
)

// MachineDifferences are those of schema and machine of two runs with these names.
func MachineDifferences(a, b *Run, nameA, nameB string) []string {
	var all []string
	differ := func(what string, a, b any) {
		if x, y := Text(a), Text(b); x != y {
			all = append(all, fmt.Sprintf("%s: %s has %s, %s has %s", what, nameA, x, nameB, y))
		}
	}
	differ("result schema", a.Schema, b.Schema)
	ea, eb := a.Environment, b.Environment
	differ("machine, host name", ea.Hostname, eb.Hostname)
	differ("machine, processor", ea.CPUModel, eb.CPUModel)
	differ("machine, processors", ea.CPUs, eb.CPUs)
	differ("machine, memory", ea.MemoryBytes, eb.MemoryBytes)
	differ("machine, kernel", ea.Kernel+" "+ea.Arch, eb.Kernel+" "+eb.Arch)
	differ("machine, limits", ea.CgroupCPU+"/"+ea.CgroupMemory, eb.CgroupCPU+"/"+eb.CgroupMemory)
	differ("file system", ea.FileSystem+" "+ea.MountOptions, eb.FileSystem+" "+eb.MountOptions)
	differ("device", ea.Device+" "+ea.DeviceModel+" "+ea.WriteCache+" "+ea.Scheduler, eb.Device+" "+eb.DeviceModel+" "+eb.WriteCache+" "+eb.Scheduler)
	differ("environment variables", ea.Variables, eb.Variables)
	return all
}

// Text is v as it stands in a result file, keys sorted.
func Text(v any) string {
	if s, ok := v.(string); ok {
		return fmt.Sprintf("%q", s)
	}
	raw, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprint(v)
	}
	return string(raw)
}
