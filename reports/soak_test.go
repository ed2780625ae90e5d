package reports

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"orbitbench/harness/result"
)

func TestSoakText(t *testing.T) {
	s := &result.Soak{
		Engine: "appendlog", Durability: "sync", Path: "native", Leases: 1_000_000, Writers: 64, Seconds: 600, Renewals: 60_000_000,
		Checkpoints: 12, CheckpointSeconds: 18.5,
		Steady: result.SoakPart{Seconds: 580, Renewals: 58_000_000, PerS: 100_000, P50Ns: 500_000, P99Ns: 1_000_000, P999Ns: 2_000_000, MaxNs: 9_000_000},
		During: result.SoakPart{Seconds: 20, Renewals: 2_000_000, PerS: 90_000, P50Ns: 600_000, P99Ns: 1_900_000, P999Ns: 4_400_000, MaxNs: 12_000_000},
		Disk:   result.SoakDisk{FirstHalfPeakBytes: 800e6, SecondHalfPeakBytes: 810e6, AtKillBytes: 700e6, LiveBytes: 224e6},
		Check:  &result.Check{Records: 1_000_000, Verdict: "ok"},
	}
	var b strings.Builder
	require.NoError(t, Soak(&b, s))
	for _, want := range []string{
		"soak of appendlog, sync: 1 M leases, 64 writers, 600 s, 60.0 M renewals, path native",
		"12 checkpoints took 18.5 s", "0.900x", "1.90x", "2.2x", "(1.01x)", "1000000 leases compared with what was acknowledged: ok",
	} {
		require.Contains(t, b.String(), want)
	}
	require.NotContains(t, b.String(), "validity:", "an old result was not judged")
	s.Machine = &result.Machine{OthersCPUShare: .02, StealShare: .3, Pressure: map[string]float64{"io": .5}}
	s.Floors = []result.Floor{{Latency: result.Latency{P50Ns: 100_000}}, {Latency: result.Latency{P50Ns: 110_000}}}
	s.Validity = &result.Validity{Verdict: result.Invalid, Reasons: []result.Reason{{Verdict: result.Invalid, Text: "the hypervisor took 30%"}}}
	b.Reset()
	require.NoError(t, Soak(&b, s))
	for _, want := range []string{"steal 30.0% of the processors, waiting for io 50%", "floor behind: one durable write p50 110 us", "validity: invalid: the hypervisor took 30%"} {
		require.Contains(t, b.String(), want)
	}
	s.During, s.Checkpoints, s.Warnings = result.SoakPart{}, 0, []string{"no checkpoint ran"}
	b.Reset()
	require.NoError(t, Soak(&b, s))
	require.NotContains(t, b.String(), "ratio")
	require.Contains(t, b.String(), "warning: no checkpoint ran")
}
