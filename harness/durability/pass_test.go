package durability

import (
	"context"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"orbitbench/engines"
	"orbitbench/harness/patience"
	"orbitbench/harness/result"
)

// forbid names a system call that is refused to the tracer and what it starts, as
// a container may do.
const forbid = "ORBITBENCH_TEST_FORBID"

// TestMain lets the test binary be the processes of a pass.
func TestMain(m *testing.M) {
	if len(os.Args) == 2 {
		switch os.Args[1] {
		case PassVerb:
			if forbidden := os.Getenv(forbid); forbidden != "" {
				number := map[string]uint64{"ptrace": unix.SYS_PTRACE, "seccomp": unix.SYS_SECCOMP, "process_vm_readv": unix.SYS_PROCESS_VM_READV}[forbidden]
				if err := install(filterProgram(auditArch, []uint64{number}, unix.SECCOMP_RET_ERRNO|uint32(unix.EPERM))); err != nil {
					panic(err)
				}
			}
			os.Exit(PassMain(os.Stdin, os.Stdout, os.Stderr))
		case WorkerVerb:
			os.Exit(WorkerMain(context.Background(), lookupFake, os.Stdin, os.Stdout))
		}
	}
	os.Exit(m.Run())
}

// verifyFake traces a fake. The test is skipped where nothing can be traced.
func verifyFake(t testing.TB, way, durability string) result.Durability {
	t.Helper()
	d, err := engines.ParseDurability(durability)
	require.NoError(t, err)
	got, err := Verify(context.Background(), Job{Engine: way, Durability: d, Dir: t.TempDir()})
	require.NoError(t, err)
	t.Logf("%s %s: %+v", way, durability, got)
	return got
}

// tracedFake is verifyFake until something was acknowledged in the time that the phases
// have: a machine that stands still gives no figure.
func tracedFake(t testing.TB, way, durability string) (d result.Durability) {
	t.Helper()
	for range patience.Attempts {
		d = verifyFake(t, way, durability)
		if d.Verdict != result.DurabilityNotVerified && len(d.Phases) > 0 && d.Phases[0].Acks > 0 {
			break
		}
	}
	return d
}

func needTrace(t *testing.T) {
	t.Helper()
	if d := verifyFake(t, "fsync", "sync"); d.Verdict == result.DurabilityNotVerified {
		t.Skipf("nothing can be traced here: %s", d.Reason)
	}
}

func TestHonestEnginesAreProven(t *testing.T) {
	needTrace(t)
	for _, way := range honest {
		t.Run(way, func(t *testing.T) {
			d := tracedFake(t, way, "sync")
			require.Equal(t, result.DurabilityProven, d.Verdict, d.Reason)
			require.Len(t, d.Phases, 2)
			require.Positive(t, d.Phases[0].Acks)
			require.GreaterOrEqual(t, d.Phases[0].SyncsPerAck, 1.0)
			require.Zero(t, d.Early)
			if way == "packs-renewals" {
				require.Positive(t, d.ByOrder)
			} else {
				require.Zero(t, d.ByOrder)
			}
		})
	}
}

func TestLiarsAreCaught(t *testing.T) {
	needTrace(t)
	for _, way := range liars {
		t.Run(way, func(t *testing.T) {
			d := tracedFake(t, way, "sync")
			require.Equal(t, result.DurabilityEarly, d.Verdict, d.Reason)
			require.Positive(t, d.Early)
			require.NotEmpty(t, d.Reason)
		})
	}
}

func TestWhatIsPackedIsNotProven(t *testing.T) {
	needTrace(t)
	d := tracedFake(t, "packs-all", "sync")
	require.Equal(t, result.DurabilityNotProven, d.Verdict, d.Reason)
	require.Zero(t, d.ByContent)
}

func TestClassProcess(t *testing.T) {
	needTrace(t)
	for _, way := range []string{"no-sync", "mapped", "dsync"} {
		d := tracedFake(t, way, "process")
		require.Equal(t, result.DurabilityProven, d.Verdict, d.Reason)
	}
	for _, way := range []string{"buffers", "every-other"} {
		d := tracedFake(t, way, "process")
		require.Equal(t, result.DurabilityEarly, d.Verdict, d.Reason)
	}
}

func TestClassInterval(t *testing.T) {
	needTrace(t)
	for _, way := range []string{"fsync", "buffers"} {
		patience.Try(t, func(t *patience.T) { // a loaded machine may stretch a window
			d := tracedFake(t, way, "interval:40ms")
			require.NotEqual(t, result.DurabilityEarly, d.Verdict, d.Reason)
			require.Positive(t, d.LagP50Ns)
		})
	}
	for _, way := range []string{"no-sync", "slow"} {
		d := tracedFake(t, way, "interval:40ms")
		require.Equal(t, result.DurabilityEarly, d.Verdict, d.Reason)
	}
}

func TestClassNoneAsksNothing(t *testing.T) {
	needTrace(t)
	d := tracedFake(t, "buffers", "none")
	require.Equal(t, result.DurabilityNothing, d.Verdict, d.Reason)
	require.Zero(t, d.Phases[0].SyncsPerAck)
}

func TestWithoutPermissionNothingIsVerified(t *testing.T) {
	needTrace(t)
	for call, want := range map[string]string{
		"ptrace":           "does not let this process trace its child",
		"seccomp":          "refuses what the trace needs",
		"process_vm_readv": "process_vm_readv: operation not permitted",
	} {
		t.Setenv(forbid, call)
		d := verifyFake(t, "no-sync", "sync")
		require.Equal(t, result.DurabilityNotVerified, d.Verdict)
		require.Contains(t, d.Reason, want)
	}
}

func TestWhatGoesWrongIsSaid(t *testing.T) {
	needTrace(t)
	for way, want := range map[string]string{
		"fails": "the disk is on fire", "unsupported": "no such class", "dies": "ended by a signal",
	} {
		d := verifyFake(t, way, "sync")
		require.Equal(t, result.DurabilityNotVerified, d.Verdict)
		require.Contains(t, d.Reason, want)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
	defer cancel()
	_, err := Verify(ctx, Job{Engine: "fsync", Durability: engines.Durability{Class: engines.Sync}, Dir: t.TempDir()})
	require.ErrorIs(t, err, context.DeadlineExceeded)
}
