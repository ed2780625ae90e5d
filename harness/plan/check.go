package plan

import (
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"github.com/pelletier/go-toml/v2"

	"orbitbench/engines"
	"orbitbench/harness/result"
	"orbitbench/workloads"
)

var namePattern = regexp.MustCompile(`^[a-z0-9][a-z0-9-]*$`)

// Limits of a plan. They are far above what one machine can do, and keep a
// slip of the finger from filling memory.
const (
	maxWorkers = 100_000
	maxSeconds = 7 * 24 * 3600
)

// check returns the first parameter that makes no sense, by its key.
func (w *Workload) check() (key string, err error) {
	p := &w.Params
	bad := func(k, format string, args ...any) {
		if err == nil {
			key, err = k, fmt.Errorf(format, args...)
		}
	}
	if !namePattern.MatchString(w.Name) {
		bad("name", "workload name %q: want lower case letters, digits and dashes", w.Name)
	}
	kinds := []string{result.KindRenewal, result.KindRecovery, result.KindCapacity, result.KindCurve}
	if p.Store != "" {
		kinds = []string{p.Store} // the preset decides what the load is for
	}
	if !slices.Contains(kinds, w.Kind) {
		bad("kind", "%v", unknown("kind of workload", w.Kind, kinds))
	}
	if w.Path != "" && w.Path != PathBest && w.Path != PathGeneric {
		bad("path", "%v", unknown("path", w.Path, []string{PathBest, PathGeneric}))
	}
	if p.Workers > maxWorkers {
		bad("workers", "workers is %d: want 1 to %d", p.Workers, maxWorkers)
	}
	if p.ValueBytes > engines.MaxValueBytes {
		bad("value_bytes", "value_bytes is %d: want at most %d", p.ValueBytes, engines.MaxValueBytes)
	}
	if p.MemoryBytes < 0 {
		bad("memory_bytes", "memory_bytes is %d: want 0 (the default) or more", p.MemoryBytes)
	}
	if !(p.RenewSeconds >= 0) {
		bad("renew_seconds", "renew_seconds is %v: want 0 or more", p.RenewSeconds)
	}
	if err != nil {
		return key, err
	}
	if key, err := checkWorkload(p); err != nil {
		return key, err
	}
	if key, err := checkLoad(p); err != nil {
		return key, err
	}
	if key, err := w.Capacity.check(p); err != nil {
		return key, err
	}
	if key, err := w.Curve.check(); err != nil {
		return key, err
	}
	return w.checkKind()
}

// checkWorkload asks the generators themselves. Their errors begin with the
// name of the parameter.
func checkWorkload(p *result.Params) (key string, err error) {
	ops := workloads.OpNamesOf(p.Store)
	for _, op := range sortedKeys(p.Mix) {
		if !slices.Contains(ops, op) {
			return "mix." + op, unknown("operation in the mix", op, ops)
		}
	}
	w := workloads.Params(*p)
	if err := w.Validate(); err != nil {
		for _, t := range validKeys(reflect.TypeFor[fileWorkload](), toml.Key{""}) {
			if strings.HasPrefix(err.Error(), t+" ") {
				return t, err
			}
		}
		return "mix", err
	}
	return "", nil
}

func checkLoad(p *result.Params) (key string, err error) {
	switch p.Loop {
	case workloads.Open:
		if !(p.RatePerS > 0 && p.RatePerS <= 1e8) {
			return "rate_per_s", fmt.Errorf("rate is %v/s: want more than 0 (an open loop offers operations at a rate)", p.RatePerS)
		}
	case workloads.Closed:
		if p.RatePerS != 0 {
			return "rate_per_s", fmt.Errorf("rate is %v/s in a closed loop: want none, or loop = \"open\"", p.RatePerS)
		}
	default:
		return "loop", unknown("loop", p.Loop, []string{workloads.Open, workloads.Closed})
	}
	return "", nil
}

func (w *Workload) checkKind() (key string, err error) {
	if !w.recovery() {
		if w.Repetitions != 0 {
			return "repetitions", fmt.Errorf("repetitions is %d: only recovery kills and repeats; trials repeat a cell", w.Repetitions)
		}
		if !(w.Params.Seconds > 0 && w.Params.Seconds <= maxSeconds) {
			return "seconds", fmt.Errorf("measured time is %v s: want more than 0 and at most %d", w.Params.Seconds, maxSeconds)
		}
		if !(w.Params.WarmupSeconds >= 0 && w.Params.WarmupSeconds <= maxSeconds) {
			return "warmup_seconds", fmt.Errorf("warm-up is %v s: want 0 to %d", w.Params.WarmupSeconds, maxSeconds)
		}
		return "", nil
	}
	if w.Repetitions < 1 || w.Repetitions > 10_000 {
		return "repetitions", fmt.Errorf("repetitions is %d: want 1 to 10000 kills per cell", w.Repetitions)
	}
	for _, d := range w.Durability {
		if d.Class == engines.None {
			return "durability", fmt.Errorf("recovery in class none: nothing survives the kill by definition; want process, interval or sync")
		}
	}
	return "", nil
}
