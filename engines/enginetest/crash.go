package enginetest

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"strings"
	"time"

	"orbitbench/engines"
	"orbitbench/engines/lease"
)

var crashChecks = []named{
	{"crash/kill", checkKill},
}

type renewalArgs = lease.Renewal

// moment is one state in the history of a key.
type moment struct {
	state  pair
	issued int64 // ns since the Unix epoch; 0 = before the load
	acked  int64 // likewise; 0 = issued, and not acknowledged
}

// history is what is known of one key: moments in order. The first is the state
// before the load. Only the last may lack its acknowledgement.
type history struct {
	moments        []moment
	leaseV, indexV engines.Version // highest versions ever granted
}

// journal is what the parent knows of the store.
type journal struct {
	load loadSpec
	keys map[string]*history
	acks int

	// Of one round, by the clock of the child: when the first acknowledgement came, when
	// the latest commit that was acknowledged was issued, when the last line was
	// told (ns since the Unix epoch, 0 = never), and the longest time without a line (ns).
	first, latest, told, pause int64

	mayForget bool // class none: a stop may bring any older state back
}

// checkKill loads the store in a child process, kills it with SIGKILL, and
// judges what is left by what was acknowledged; three times over the same store.
func checkKill(s *store) {
	s.rng(0)
	j := &journal{
		load: loadSpec{Seed: s.options.Seed, Writers: 4, Pause: s.options.Durability.Window / 200},
		keys: make(map[string]*history),

		mayForget: !s.keeps(),
	}
	for w := range j.load.Writers {
		for a := range actorsPerWriter {
			j.keys[actorKey(w, a)] = &history{moments: make([]moment, 1)}
		}
	}
	for round := range 3 {
		j.load.Round, j.load.Checkpoints = uint64(round+1), round == 1
		s.killLoaded(j)
		s.start()
		s.judge(j)
		if s.keeps() {
			// A second, clean close must neither change what came back nor
			// make the store forget which versions were granted.
			came := s.dump(s.e)
			s.reopen()
			s.sameState("after the kill and a clean close", s.dump(s.e), came)
		}
		s.rewrite(j)
		s.stop()
	}
}

// killLoaded runs the load in a child until enough was acknowledged, and kills it.
func (s *store) killLoaded(j *journal) {
	s.Helper()
	j.first, j.latest, j.told, j.pause = 0, 0, 0, 0
	cmd, stdin := s.child(&j.load)
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		s.Fatalf("child: %v", err)
	}
	if err := cmd.Start(); err != nil {
		s.Fatalf("child: %v", err)
	}
	// A child that hangs is killed by the clock; the lines then end.
	alarm := time.AfterFunc(5*time.Minute, func() { s.kill(cmd) })
	defer alarm.Stop()
	enough := j.acks + s.count(600)
	killed := false
	lines := bufio.NewScanner(stdout)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		if err := j.note(lines.Bytes()); err != nil {
			s.kill(cmd)
			s.Fatalf("child: %v", err)
		}
		// Of class interval something must be left to judge.
		if !killed && j.acks >= enough && j.latest-j.first >= s.mayLose(j)+int64(s.options.Durability.Window) {
			killed = true
			s.kill(cmd)
		}
	}
	err = errors.Join(lines.Err(), stdin.Close())
	waitErr := cmd.Wait()
	if !killed {
		s.Fatalf("the loaded child ended after %d acknowledgements, before it was killed: %v: %s", j.acks, waitErr, cmd.Stderr)
	}
	if err != nil && !errors.Is(err, os.ErrClosed) {
		s.Fatalf("child: %v", err)
	}
}

func (s *store) kill(cmd *exec.Cmd) {
	if err := cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		s.Errorf("kill: %v", err)
	}
}

// note takes in one line of the child: what it found (S), what it is about to
// commit (I), what was acknowledged (A).
func (j *journal) note(line []byte) error {
	if len(line) > 0 && line[0] == 'S' {
		return j.noteFound(string(line))
	}
	var kind byte
	var writer int
	var seq, leaseV, indexV uint64
	var at int64
	n, err := 0, errors.New("want I or A")
	issued := bytes.HasPrefix(line, []byte("I"))
	switch {
	case issued:
		n, err = fmt.Sscanf(string(line), "%c %d %d %d", &kind, &writer, &seq, &at)
	case bytes.HasPrefix(line, []byte("A")):
		n, err = fmt.Sscanf(string(line), "%c %d %d %d %d %d", &kind, &writer, &seq, &leaseV, &indexV, &at)
	}
	if err != nil {
		return fmt.Errorf("line %q: %d fields: %v", line, n, err)
	}
	if j.told != 0 {
		j.pause = max(j.pause, at-j.told)
	}
	j.told = at
	st := j.load.step(writer, seq)
	h := j.keys[st.key]
	if h == nil {
		return fmt.Errorf("line %q: unknown writer", line)
	}
	last := &h.moments[len(h.moments)-1]
	if issued {
		h.moments = append(h.moments, moment{state: last.state.next(st), issued: at})
		return nil
	}
	last.state.leaseV, last.state.indexV = engines.Version(leaseV), engines.Version(indexV)
	last.acked = at
	j.latest = max(j.latest, last.issued)
	if j.first == 0 {
		j.first = at
	}
	h.leaseV, h.indexV = max(h.leaseV, last.state.leaseV), max(h.indexV, last.state.indexV)
	j.acks++
	return nil
}

// noteFound takes in what the child found when it opened the store after the
// clean close of the round before, and makes it the base of its history.
func (j *journal) noteFound(line string) error {
	var key, leaseHex, indexHex string
	var leaseV, indexV uint64
	if _, err := fmt.Sscanf(line, "S %s %d %d %s %s", &key, &leaseV, &indexV, &leaseHex, &indexHex); err != nil {
		return fmt.Errorf("line %q: %v", line, err)
	}
	found := pair{leaseV: engines.Version(leaseV), indexV: engines.Version(indexV)}
	for _, f := range []struct {
		text string
		into *string
	}{{leaseHex, &found.lease}, {indexHex, &found.index}} {
		raw, err := hex.DecodeString(strings.TrimSuffix(f.text, "-"))
		if err != nil {
			return fmt.Errorf("line %q: %v", line, err)
		}
		*f.into = string(raw)
	}
	h := j.keys[key]
	if h == nil {
		return fmt.Errorf("line %q: unknown key", line)
	}
	if base := h.moments[len(h.moments)-1].state; !j.mayForget && found != base {
		return fmt.Errorf("after a clean close %q is %v, was %v", key, found, base)
	}
	if !h.matches(found, 0) {
		return fmt.Errorf("after a clean close %q is in a state that it never had: %v", key, found)
	}
	h.moments = append(h.moments, moment{state: found, acked: 1})
	return nil
}

// judge compares the opened store with the journal.
func (s *store) judge(j *journal) {
	s.Helper()
	for key, h := range j.keys {
		got, err := readPair(s.ctx, s.e, key)
		if err != nil {
			s.Fatalf("after the kill: Get %q: %v", key, err)
		}
		oldest := s.oldestAllowed(j, h)
		if h.matches(got, oldest) {
			continue
		}
		last := h.moments[len(h.moments)-1]
		switch {
		case h.matches(got, 0):
			s.Errorf("after the kill: %q is in a state that is too old: %v, last acknowledged %v, class %s", key, got, h.lastAcked(), s.options.Durability)
		default:
			s.Errorf("after the kill: %q is in a state that it never had: %v, last acknowledged %v, last issued %v", key, got, h.lastAcked(), last.state)
		}
	}
	for n := range s.dump(s.e) {
		if j.keys[n.key] == nil || (n.ks != engines.Leases && n.ks != engines.Index) {
			s.Errorf("after the kill: %v was never written", n)
		}
	}
}

// oldestAllowed returns the index of the oldest moment that the class allows to come
// back. Class interval may lose what was acknowledged within one window; an engine that
// cannot keep it for a while holds acknowledgements back. So that window ends where the
// last acknowledgement begins, however long before the kill that was.
func (s *store) oldestAllowed(j *journal, h *history) int {
	d := s.options.Durability
	before := int64(math.MaxInt64) // what was acknowledged before this must be there
	switch d.Class {
	case engines.None:
		return 0
	case engines.Interval:
		before = j.latest - s.mayLose(j)
	}
	oldest := 0
	for i, m := range h.moments {
		if m.acked != 0 && m.acked < before {
			oldest = i
		}
	}
	return oldest
}

// mayLose is how long before the last acknowledgement class interval may lose what was
// acknowledged, in ns: its window, for which is allowed once more the window and twice
// the longest time in which the machine let the child do nothing.
func (s *store) mayLose(j *journal) int64 {
	if s.options.Durability.Class != engines.Interval {
		return 0
	}
	return int64(2*s.options.Durability.Window) + 2*j.pause
}

// matches reports whether got is one of the moments from oldest on. After a
// kill a version may have jumped, but not back.
func (h *history) matches(got pair, oldest int) bool {
	for _, m := range h.moments[oldest:] {
		if got.lease == m.state.lease && got.index == m.state.index && got.leaseV >= m.state.leaseV && got.indexV >= m.state.indexV {
			return true
		}
	}
	return false
}

func (h *history) lastAcked() pair {
	for i := len(h.moments) - 1; i > 0; i-- {
		if h.moments[i].acked != 0 {
			return h.moments[i].state
		}
	}
	return h.moments[0].state
}

// String shows a state without the filling of its values.
func (p pair) String() string {
	show := func(v string, version engines.Version) string {
		if v == "" {
			return "absent"
		}
		return fmt.Sprintf("%s at version %d", brief([]byte(v)), version)
	}
	return "(lease " + show(p.lease, p.leaseV) + ", index " + show(p.index, p.indexV) + ")"
}

// rewrite stores every key again: each must get versions above all that were
// ever granted, whatever came back. The states become the base of the next round.
func (s *store) rewrite(j *journal) {
	s.Helper()
	for key, h := range j.keys {
		st := step{key: key, seq: j.load.Round << 32, size: 60}
		p := pair{}.next(st)
		b := s.apply(func(b *engines.Batch) {
			b.Put(engines.Leases, []byte(key), []byte(p.lease))
			b.Put(engines.Index, []byte(key), []byte(p.index))
		})
		p.leaseV, p.indexV = b.Ops[0].Assigned, b.Ops[1].Assigned
		if p.leaseV <= h.leaseV || p.indexV <= h.indexV {
			s.Errorf("after the kill: %q gets versions %d and %d, %d and %d were granted before", key, p.leaseV, p.indexV, h.leaseV, h.indexV)
		}
		h.leaseV, h.indexV = max(h.leaseV, p.leaseV), max(h.indexV, p.indexV)
		if !j.mayForget {
			h.moments = h.moments[:0]
		}
		h.moments = append(h.moments, moment{state: p, acked: 1})
	}
}
