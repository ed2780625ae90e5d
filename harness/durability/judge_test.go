package durability

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"orbitbench/engines"
	"orbitbench/harness/result"
)

// story tells a judge of one commit after the other what happened.
type story struct {
	*judge
	clock time.Duration
}

func newStory(durability string) *story {
	d, err := engines.ParseDurability(durability)
	if err != nil {
		panic(err)
	}
	s := &story{judge: newJudge(d)}
	s.phase(1)
	return s
}

var (
	logFile   = fileID{1, 10}
	otherFile = fileID{1, 11}
)

func (s *story) write(f fileID, commits ...int) {
	s.clock += time.Millisecond
	var hits []hit
	for i, c := range commits {
		hits = append(hits, hit{c, int64(100 + 50*i), 16})
	}
	s.endWrite(s.beginWrite(), place{file: f, name: fmt.Sprint("file", f.inode), from: 0, to: 4096}, hits, "", s.clock)
}

func (s *story) sync(f fileID, ok bool) {
	s.clock += time.Millisecond
	s.endSync(s.beginSync(wholeFile(f)), "fsync", ok, s.clock)
}

func (s *story) acked(c int) {
	s.clock += time.Millisecond
	s.ack(c, s.clock)
}

func (s *story) verdict() result.Durability {
	s.phase(0)
	s.end()
	var d result.Durability
	s.judge.verdict(&d)
	return d
}

func TestJudgeOfSync(t *testing.T) {
	for name, c := range map[string]struct {
		want string
		tell func(s *story)
	}{
		"write, sync, ack": {result.DurabilityProven, func(s *story) {
			s.write(logFile, 0)
			s.sync(logFile, true)
			s.acked(0)
		}},
		"ack before the sync": {result.DurabilityEarly, func(s *story) {
			s.write(logFile, 0)
			s.acked(0)
			s.sync(logFile, true)
		}},
		"the sync failed": {result.DurabilityEarly, func(s *story) {
			s.write(logFile, 0)
			s.sync(logFile, false)
			s.acked(0)
		}},
		"another file was synced": {result.DurabilityEarly, func(s *story) {
			s.write(logFile, 0)
			s.sync(otherFile, true)
			s.acked(0)
		}},
		"the sync began before the write ended": {result.DurabilityEarly, func(s *story) {
			begin := s.beginWrite()
			sync := s.beginSync(wholeFile(logFile))
			s.endWrite(begin, place{file: logFile, to: 4096}, []hit{{0, 0, 16}}, "", s.clock)
			s.endSync(sync, "fsync", true, s.clock)
			s.acked(0)
		}},
		"a copy elsewhere was synced": {result.DurabilityProven, func(s *story) {
			s.write(otherFile, 0)
			s.write(logFile, 0)
			s.sync(logFile, true)
			s.acked(0)
		}},
		"the write was a sync too": {result.DurabilityProven, func(s *story) {
			s.endWrite(s.beginWrite(), place{file: logFile, to: 4096}, []hit{{0, 0, 16}}, "dsync_write", s.clock)
			s.acked(0)
		}},
		"sync of everything": {result.DurabilityProven, func(s *story) {
			s.write(logFile, 0)
			s.endSync(s.beginSync(target{all: true}), "sync", true, s.clock)
			s.acked(0)
		}},
		"msync of its range": {result.DurabilityProven, func(s *story) {
			s.stored(place{file: logFile}, []hit{{0, 8192, 16}}, s.clock)
			s.endSync(s.beginSync(target{file: logFile, from: 8192, to: 12288}), "msync", true, s.clock)
			s.acked(0)
		}},
		"msync of another range": {result.DurabilityEarly, func(s *story) {
			s.stored(place{file: logFile}, []hit{{0, 8192, 16}}, s.clock)
			s.endSync(s.beginSync(target{file: logFile, from: 0, to: 8192}), "msync", true, s.clock)
			s.acked(0)
		}},
		"msync of half of its range": {result.DurabilityEarly, func(s *story) {
			s.stored(place{file: logFile}, []hit{{0, 8184, 16}}, s.clock)
			s.endSync(s.beginSync(target{file: logFile, from: 0, to: 8192}), "msync", true, s.clock)
			s.acked(0)
		}},
		"made durable by close": {result.DurabilityEarly, func(s *story) {
			s.write(logFile, 0)
			s.acked(0)
			s.end()
			s.sync(logFile, true)
		}},
		"unseen, nothing synced": {result.DurabilityEarly, func(s *story) {
			s.write(logFile)
			s.acked(0)
		}},
		"unseen, written and synced": {result.DurabilityNotProven, func(s *story) {
			s.write(logFile)
			s.sync(logFile, true)
			s.acked(0)
		}},
		"unseen, what is synced was written before": {result.DurabilityEarly, func(s *story) {
			s.judge.commits, s.judge.order = map[int]*commit{}, nil
			s.write(logFile)
			s.issue(0, kindPut)
			s.sync(logFile, true)
			s.acked(0)
		}},
		"io_uring": {result.DurabilityNotProven, func(s *story) {
			s.ring()
			s.acked(0)
		}},
		"no acknowledgement": {result.DurabilityNotVerified, func(s *story) { s.write(logFile, 0) }},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStory("sync")
			s.issue(0, kindPut)
			c.tell(s)
			d := s.verdict()
			require.Equal(t, c.want, d.Verdict, d.Reason)
			require.Equal(t, c.want == result.DurabilityProven, d.Reason == "", d.Reason)
		})
	}
}

// A kind that is packed is judged by order beside one that is seen.
func TestJudgeMixesEvidence(t *testing.T) {
	s := newStory("sync")
	for i := range 4 {
		kind := byte(kindPut)
		if i%2 == 1 {
			kind = kindRenew
		}
		s.issue(i, kind)
		if kind == kindPut {
			s.write(logFile, i)
		} else {
			s.write(logFile)
		}
		s.sync(logFile, true)
		s.acked(i)
	}
	d := s.verdict()
	require.Equal(t, result.DurabilityProven, d.Verdict, d.Reason)
	require.Equal(t, []int{2, 2, 0}, []int{d.ByContent, d.ByOrder, d.Early})
	require.Equal(t, 1.0, d.Phases[0].SyncsPerAck)
	require.Equal(t, 4, d.Phases[0].Writes)
}

func TestJudgeOfProcess(t *testing.T) {
	s := newStory("process")
	s.issue(0, kindPut)
	s.write(logFile, 0)
	s.acked(0)
	s.issue(1, kindRenew)
	s.stored(place{file: logFile}, []hit{{1, 5, 8}}, s.clock)
	s.acked(1)
	require.Equal(t, result.DurabilityProven, s.verdict().Verdict)

	s = newStory("process")
	s.issue(0, kindPut)
	s.acked(0)
	s.write(logFile, 0)
	d := s.verdict()
	require.Equal(t, result.DurabilityEarly, d.Verdict)
	require.Contains(t, d.Reason, "after its acknowledgement, to file10")
}

func TestJudgeOfInterval(t *testing.T) {
	lag := func(lag time.Duration) *story {
		s := newStory("interval:10ms")
		for i := range 20 {
			s.issue(i, kindPut)
			s.write(logFile, i)
			s.acked(i)
			s.clock += lag - time.Millisecond
			s.sync(logFile, true)
		}
		return s
	}
	d := lag(8 * time.Millisecond).verdict()
	require.Equal(t, result.DurabilityProven, d.Verdict, d.Reason)
	require.EqualValues(t, 8*time.Millisecond, d.LagP50Ns)
	require.EqualValues(t, 8*time.Millisecond, d.LagMaxNs)
	require.Equal(t, result.DurabilityNotProven, lag(15*time.Millisecond).verdict().Verdict)
	require.Equal(t, result.DurabilityEarly, lag(45*time.Millisecond).verdict().Verdict)

	s := lag(8 * time.Millisecond)
	s.issue(20, kindPut)
	s.write(logFile, 20)
	s.acked(20)
	require.Contains(t, s.verdict().Reason, "1 of 21 commits were not durable")

	s = lag(8 * time.Millisecond)
	s.issue(20, kindPut)
	s.acked(20)
	require.Contains(t, s.verdict().Reason, "1 of 21 commits reached no file")

	s = newStory("interval:10ms")
	s.issue(0, kindPut)
	s.write(logFile, 0)
	s.acked(0)
	require.Equal(t, result.DurabilityEarly, s.verdict().Verdict, "no sync at all")

	s = newStory("interval:10ms")
	s.issue(0, kindPut)
	s.acked(0)
	s.sync(logFile, true)
	require.Equal(t, result.DurabilityNotProven, s.verdict().Verdict, "nothing recognised")
}

// The filter, run as the kernel runs it: by hand.
func TestFilterStopsAtTracedCalls(t *testing.T) {
	program := filterProgram(auditArch, traced(), unix.SECCOMP_RET_TRACE)
	run := func(arch, number uint32) uint32 {
		var a uint32
		for pc := 0; ; pc++ {
			switch in := program[pc]; in.Code {
			case unix.BPF_LD | unix.BPF_W | unix.BPF_ABS:
				a = map[uint32]uint32{seccompArch: arch, seccompNumber: number}[in.K]
			case unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K:
				if a == in.K {
					pc += int(in.Jt)
				} else {
					pc += int(in.Jf)
				}
			case unix.BPF_RET | unix.BPF_K:
				return in.K
			default:
				t.Fatalf("instruction %+v", in)
			}
		}
	}
	for _, n := range traced() {
		require.EqualValues(t, unix.SECCOMP_RET_TRACE, run(auditArch, uint32(n)))
		require.EqualValues(t, unix.SECCOMP_RET_ALLOW, run(auditArch+1, uint32(n)))
	}
	for _, n := range []uint32{unix.SYS_READ, unix.SYS_FUTEX, unix.SYS_EXIT_GROUP, 1 << 30} {
		require.EqualValues(t, unix.SECCOMP_RET_ALLOW, run(auditArch, n))
	}
}

func TestParseMapping(t *testing.T) {
	m, ok := parseMapping("7f0000000000-7f0000800000 rw-s 00001000 fe:00 4711                       /data/a file (deleted)")
	require.True(t, ok)
	require.Equal(t, mapping{0x7f0000000000, 0x7f0000800000, 0x1000, "/data/a file (deleted)"}, m)
	for _, line := range []string{
		"", "7f00-7f01 rw-p 00000000 fe:00 4711 /private", "7f00-7f01 r--s 00000000 fe:00 4711 /read-only",
		"7f00-7f01 rw-s 00000000 00:00 0 /dev/zero (deleted)", "7f00-7f01 rw-s 00000000 fe:00 4711", "7f00 rw-s",
	} {
		_, ok := parseMapping(line)
		require.False(t, ok, line)
	}
}

func TestParseInfo(t *testing.T) {
	var d descriptor
	require.NoError(t, d.parseInfo([]byte("pos:\t4096\nflags:\t0112002\nmnt_id:\t25\n")))
	require.EqualValues(t, 4096, d.position)
	require.NotZero(t, d.flags&unix.O_DSYNC)
	require.Error(t, d.parseInfo([]byte("flags:\t9\n")))
	require.Error(t, d.parseInfo([]byte("pos:\t-\n")))
}

func FuzzParseMapping(f *testing.F) {
	f.Add("7f0000000000-7f0000800000 rw-s 00001000 fe:00 4711 /data/a")
	f.Fuzz(func(t *testing.T, line string) {
		if m, ok := parseMapping(line); ok {
			require.Equal(t, byte('/'), m.path[0])
		}
	})
}

func FuzzParseMark(f *testing.F) {
	b := markOf(markAck, kindRenew, 1<<20)
	f.Add(b[:])
	f.Add([]byte("A"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		letter, kind, number, err := parseMark(raw)
		if err != nil {
			return
		}
		again := markOf(letter, kind, number)
		require.Equal(t, raw, again[:])
	})
}
