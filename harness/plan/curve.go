package plan

import (
	"fmt"
	"strconv"

	"orbitbench/harness/result"
	"orbitbench/workloads"
)

// Curve is one point of the recovery curve: how much a store holds is in the
// workload's Actors.
type Curve struct {
	LogRenewals int `json:"log_renewals"` // acknowledged between the checkpoint and the kill
	Reads       int `json:"reads"`        // single reads after a recovery, cold and warm
}

// curveReads is how many leases are read after each recovery.
const curveReads = 1000

// CurveName begins the names of the workloads that `recover` makes.
const CurveName = "recover"

// Rates behind the estimate of a curve (see the others).
const (
	copyBytesPerS = 300e6
	renewPerS     = 15_000
	curveWorkers  = 64
	// curveSeconds bounds the renewals of the log: a slow engine has a shorter
	// one, and the result says how long it is.
	curveSeconds = 120
)

// curveKnobs are those of a profile.
type curveKnobs struct {
	sizes, logs []int
	repetitions int
}

func curveOf(profile string) curveKnobs {
	switch profile {
	case "ci":
		return curveKnobs{[]int{10_000}, []int{10_000}, 3}
	case "standard":
		return curveKnobs{[]int{10_000, 100_000, 1_000_000}, []int{10_000, 200_000}, 10}
	case "full":
		return curveKnobs{[]int{10_000, 100_000, 1_000_000, 10_000_000}, []int{0, 100_000, 1_000_000}, 20}
	}
	return curveKnobs{[]int{10_000, 100_000}, []int{10_000}, 3}
}

// CurveRequest is what the user asked of `recover`. Empty fields were not given.
type CurveRequest struct {
	Profile             string
	Engines, Durability []string
	Sizes, Logs         []int
	Repetitions         int
	Reads               *int
	Seed                *uint64
}

// ExpandCurve makes the plan of a recovery curve: a workload for each size and log.
func ExpandCurve(r CurveRequest, c Catalog) (*Plan, error) {
	profile, err := chooseProfile(Request{Profile: r.Profile}, &file{})
	if err != nil {
		return nil, err
	}
	profile.Durability = []string{"sync"}
	knobs := curveOf(profile.Name)
	if len(r.Sizes) > 0 {
		knobs.sizes = r.Sizes
	}
	if len(r.Logs) > 0 {
		knobs.logs = r.Logs
	}
	if r.Repetitions != 0 {
		knobs.repetitions = r.Repetitions
	}
	p := &Plan{Profile: profile.Name, Preview: profile.Preview, Seed: 1, Trials: 1}
	overlay(&p.Seed, r.Seed)
	preset, err := c.preset("orbit-default")
	if err != nil {
		return nil, err
	}
	var list []Workload
	for _, size := range knobs.sizes {
		for _, log := range knobs.logs {
			w := Workload{Name: CurveName + "-" + humanCount(size) + "-log-" + humanCount(log), Kind: result.KindCurve, Params: preset.Params, Repetitions: knobs.repetitions}
			w.Params.Preset, w.Params.Actors, w.Params.Prefill = preset.Name, size, 1
			w.Params.Mix = map[string]float64{workloads.Renew.String(): 1}
			w.Params.Loop, w.Params.RatePerS, w.Params.Workers, w.Params.Seconds = workloads.Closed, 0, curveWorkers, curveSeconds
			w.Curve = &Curve{LogRenewals: log, Reads: curveReads}
			overlay(&w.Curve.Reads, r.Reads)
			list = append(list, w)
		}
	}
	return p.complete(Request{Engines: r.Engines, Durability: r.Durability}, profile, c, list)
}

func (c *Curve) check() (key string, err error) {
	switch {
	case c == nil:
		return "", nil
	case c.LogRenewals < 0:
		return "log_renewals", fmt.Errorf("log_renewals is %d: want 0 or more", c.LogRenewals)
	case c.Reads < 0:
		return "reads", fmt.Errorf("reads is %d: want 0 or more", c.Reads)
	}
	return "", nil
}

// seconds is about how long the repetitions take, beside the load of the store.
func (c *Curve) seconds(repetitions int, load float64) float64 {
	bytes := load * loadPerS * 2 * (256 + recordExtra)
	return float64(c.LogRenewals)/renewPerS + 2*float64(repetitions)*(killSeconds/3+load/3+bytes/copyBytesPerS)
}

// humanCount is a count for the name of a workload: 10k, 1m.
func humanCount(n int) string {
	switch {
	case n >= 1_000_000 && n%1_000_000 == 0:
		return strconv.Itoa(n/1_000_000) + "m"
	case n >= 1000 && n%1000 == 0:
		return strconv.Itoa(n/1000) + "k"
	}
	return strconv.Itoa(n)
}
