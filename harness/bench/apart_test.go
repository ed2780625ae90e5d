package bench

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime/metrics"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"orbitbench/engines"
	"orbitbench/engines/appendlog"
	"orbitbench/harness/cell"
	"orbitbench/harness/patience"
	"orbitbench/harness/procstat"
)

// TestMain lets the test binary be the process of its own of a point.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == ChildVerb {
		os.Exit(ChildMain(context.Background(), lookupTest, os.Stdin, os.Stdout, os.Stderr))
	}
	if len(os.Args) > 1 && os.Args[1] == cellVerb {
		os.Exit(cell.Main(context.Background(), nil, lookupTest, os.Stdin, os.Stdout, os.Stderr))
	}
	os.Exit(m.Run())
}

// aliasDriver is the append log under another name, with a flaw.
type aliasDriver struct {
	appendlog.Driver
	name string
	role engines.Role
	flaw string
}

func (d aliasDriver) Info() engines.Info {
	i := d.Driver.Info()
	i.Name, i.Role = d.name, d.role
	return i
}

func (d aliasDriver) Open(ctx context.Context, o engines.Options) (engines.Engine, error) {
	e, err := d.Driver.Open(ctx, o)
	if err != nil {
		return nil, err
	}
	switch d.flaw {
	case "forgets": // every lease but one of those that are read first
		var key [keyBytes]byte
		putActorKey(&key, 1, 7)
		var b engines.Batch
		b.Delete(engines.Leases, key[:])
		err = e.Apply(ctx, &b)
	case "hides": // that it can make checkpoints
		return struct{ engines.Engine }{e}, nil
	}
	return e, err
}

var (
	sound     = aliasDriver{name: "sound", role: engines.Candidate}
	forgetful = aliasDriver{name: "forgetful", role: engines.Candidate, flaw: "forgets"}
	bare      = aliasDriver{name: "bare", role: engines.Candidate, flaw: "hides"}
	asPebble  = aliasDriver{name: "pebble", role: engines.Yardstick}
)

func lookupTest(name string) (engines.Driver, error) {
	for _, d := range []aliasDriver{sound, forgetful, bare, asPebble} {
		if d.name == name {
			return d, nil
		}
	}
	return nil, fmt.Errorf("unknown engine %q", name)
}

func apartOptions(t testing.TB, out, progress *bytes.Buffer, drivers ...engines.Driver) Options {
	return Options{
		Drivers: drivers, Rows: []string{"P10", "P11", "P12", "P13", "P18"}, Actors: []int{3000}, Rounds: 2, Slice: 10 * time.Millisecond,
		Seed: 1, warmBytes: 1 << 20, collectTime: 80 * time.Millisecond, DataDir: t.TempDir(), Stdout: out, Stderr: progress,
	}
}

func TestProcessesOfTheirOwn(t *testing.T) {
	patience.Try(t, func(t *patience.T) {
		var out, progress bytes.Buffer
		o := apartOptions(t, &out, &progress, sound, asPebble)
		o.Slice <<= t.Number
		require.NoError(t, Run(context.Background(), o), &progress)
		entries, err := os.ReadDir(o.DataDir)
		require.NoError(t, err)
		require.Empty(t, entries, "every file is removed")
		for _, name := range []string{
			"BenchmarkRecover/engine=sound/leases=3k/cache=cold",
			"BenchmarkRecover/engine=sound/leases=3k/cache=warm",
			"BenchmarkRecover/engine=pebble/leases=3k/cache=cold",
			"BenchmarkRecover/engine=sound/leases=3k/cache=cold/state=snapshot",
			"BenchmarkRecover/engine=sound/leases=3k/cache=warm/state=deltas",
			"BenchmarkRecover/engine=sound/leases=3k/cache=cold/state=closed",
			"BenchmarkChecksum/engine=sound/leases=3k/cache=cold",
			"BenchmarkCollector/engine=sound/leases=3k",
			"BenchmarkMemory/engine=sound/leases=3k",
		} {
			require.Equal(t, 2, strings.Count(out.String(), "\n"+name+"\t"), "one line of %s a round:\n%s", name, &progress)
		}
		require.NotContains(t, out.String(), "engine=pebble/leases=3k/cache=cold/state", "peers are compared by P11 alone")
		for line := range strings.Lines(out.String()) {
			if strings.HasPrefix(line, "Benchmark") {
				require.Regexp(t, benchmarkLine, strings.TrimSpace(line))
			}
		}
		require.Regexp(t, `state=deltas\t1\t[^\n]*\t12\d\d\d replayed`, out.String(), "four renewals of each of 3000 leases")
		require.Regexp(t, `P13 +Recover/engine=sound\S+/state=closed +first read, ms +<= 10 `, progress.String())
		require.Regexp(t, `P11 +Recover/engine=sound\S+ +time / pebble's +<= 0.3 .*reached`, progress.String())
		require.Contains(t, progress.String(), "cold means: ")
	})
}

func TestALostLeaseIsNoRecovery(t *testing.T) {
	patience.Try(t, func(t *patience.T) {
		var out, progress bytes.Buffer
		o := apartOptions(t, &out, &progress, sound, forgetful)
		o.Rows = []string{"P11"}
		err := Run(context.Background(), o)
		require.ErrorContains(t, err, "Recover/engine=forgetful")
		require.ErrorContains(t, err, "lease 7 was acknowledged and cannot be read")
		require.NotContains(t, out.String(), "engine=forgetful")
		require.Contains(t, out.String(), "engine=sound", "the others go on")
	})
}

func TestWithoutCheckpointsItIsLeftOut(t *testing.T) {
	patience.Try(t, func(t *patience.T) {
		var out, progress bytes.Buffer
		o := apartOptions(t, &out, &progress, bare)
		o.Rows, o.Actors = []string{"P12", "P14", "P18"}, []int{1000}
		require.NoError(t, Run(context.Background(), o))
		require.Contains(t, progress.String(), "left out: BenchmarkCheckpoint/engine=bare")
		require.Contains(t, progress.String(), "left out: BenchmarkRecover/engine=bare/leases=1k/cache=cold/state=snapshot")
		require.NotContains(t, out.String(), "BenchmarkRecover")
		require.Contains(t, out.String(), "BenchmarkMemory/engine=bare")
	})
}

func TestCheckpointsRunBeside(t *testing.T) {
	patience.Try(t, func(t *patience.T) {
		var out, progress bytes.Buffer
		o := apartOptions(t, &out, &progress, sound)
		o.Rows, o.Slice = []string{"P14"}, 50*time.Millisecond<<t.Number // a slow device makes few checkpoints
		require.NoError(t, Run(context.Background(), o))
		require.Regexp(t, `BenchmarkCheckpoint/engine=sound\t.* x-steady\t.* x-steady-p99\t.* x-steady-p99.9\t[1-9]\d* checkpoints\t`, out.String())
		require.Regexp(t, `BenchmarkCheckpoint/engine=sound/class=process\t`, out.String())
		require.Regexp(t, `P14 +Checkpoint/engine=sound +p99.9 / steady +<= 2.5 `, progress.String())
	})
}

func TestInterruptedProcessesLeaveNothing(t *testing.T) {
	var out, progress bytes.Buffer
	o := apartOptions(t, &out, &progress, sound)
	o.Rows, o.Rounds = []string{"P11"}, 3
	ctx, cancel := context.WithCancel(context.Background())
	o.Stderr = writerFunc(func(p []byte) (int, error) {
		if bytes.Contains(p, []byte("filled")) {
			cancel()
		}
		return progress.Write(p)
	})
	require.ErrorIs(t, Run(ctx, o), context.Canceled)
	entries, err := os.ReadDir(o.DataDir)
	require.NoError(t, err)
	require.Empty(t, entries)
}

func TestChildRefusesWhatItDoesNotKnow(t *testing.T) {
	run := func(text string) (int, string, string) {
		var out, errs bytes.Buffer
		code := ChildMain(context.Background(), lookupTest, strings.NewReader(text), &out, &errs)
		return code, out.String(), errs.String()
	}
	code, _, errs := run("{")
	require.Equal(t, 2, code)
	require.Contains(t, errs, "the job")
	code, out, _ := run(`{"task":"dance","engine":"sound","durability":"sync"}`)
	require.Zero(t, code)
	require.Contains(t, out, `task \"dance\" is not known`)
	_, out, _ = run(`{"task":"open","engine":"nobody","durability":"sync"}`)
	require.Contains(t, out, `unknown engine`)
	_, out, _ = run(fmt.Sprintf(`{"task":"checksum","dir":%q,"durability":"sync"}`, t.TempDir()))
	require.Contains(t, out, "holds nothing but logs")
}

func TestRoomIsAskedFor(t *testing.T) {
	require.Empty(t, room(t.TempDir(), 1))
	require.Contains(t, room(t.TempDir(), 1e15), "MB of disk")
	require.NotEmpty(t, room(filepath.Join(t.TempDir(), "missing"), 1))
}

func TestLongestPause(t *testing.T) {
	buckets := []float64{0, 1e-6, 1e-5, 1e-4}
	before := &metrics.Float64Histogram{Counts: []uint64{5, 1, 3}, Buckets: buckets}
	after := &metrics.Float64Histogram{Counts: []uint64{9, 2, 3}, Buckets: buckets}
	require.Equal(t, 1e-5, longest(before, after), "the highest bucket had its pauses before")
	require.Zero(t, longest(after, after))
	require.Equal(t, 1e-6, longest(&metrics.Float64Histogram{}, &metrics.Float64Histogram{Counts: []uint64{1, 0, 0}, Buckets: buckets}))
}

func TestDeviceOfOthersIsNoFigure(t *testing.T) {
	read := func(requests, bytes, own uint64) counters {
		return counters{device: procstat.DeviceWrites{Writes: requests, Bytes: bytes}, written: own}
	}
	d := shareOfDevice(read(100, 1000, 500), read(300, 1000+4096*100, 500+4096*100), 100)
	require.Equal(t, deviceShare{writes: 2}, d)
	d = shareOfDevice(read(100, 1000, 500), read(300, 1000+2*4096*100, 500+4096*100), 100)
	require.Contains(t, d.why, "others wrote 50%")
	broken := counters{deviceErr: io.ErrUnexpectedEOF}
	require.NotEmpty(t, shareOfDevice(broken, read(1, 1, 1), 1).why)
}
