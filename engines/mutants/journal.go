package mutants

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"orbitbench/engines"
)

// line is one entry of the journal: eight hexadecimal digits of its checksum,
// a space, JSON, a newline. What follows the last whole line is torn.
type line struct {
	Changes  []change        `json:"c,omitempty"`
	Floor    engines.Version `json:"f,omitempty"`
	Reserved engines.Version `json:"r,omitempty"` // no version above it was granted before the next such line
	Jump     engines.Version `json:"j,omitempty"` // versions up to it may have been granted and lost
	Clean    bool            `json:"clean,omitempty"`
}

const journalName = "journal"

// reserve is how many versions are set aside at a time.
const reserve = 1 << 20

func (l line) encode() ([]byte, error) {
	text, err := json.Marshal(l)
	if err != nil {
		return nil, err
	}
	return fmt.Appendf(nil, "%08x %s\n", crc32.ChecksumIEEE(text), text), nil
}

func decodeLine(b []byte) (l line, ok bool) {
	b, whole := bytes.CutSuffix(b, []byte("\n"))
	if !whole || len(b) < 10 || b[8] != ' ' {
		return l, false
	}
	sum, err := strconv.ParseUint(string(b[:8]), 16, 32)
	if err != nil || uint32(sum) != crc32.ChecksumIEEE(b[9:]) || json.Unmarshal(b[9:], &l) != nil {
		return l, false
	}
	for i := range l.Changes {
		l.Changes[i].Key = string(l.Changes[i].KeyBytes)
	}
	return l, true
}

// recover replays the journal, cuts off its torn tail and opens it for appending.
func (e *engine) recover() error {
	name := filepath.Join(e.dir, journalName)
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return err
	}
	in := bufio.NewReader(f)
	clean, good, reserved := true, int64(0), engines.Version(0)
	for {
		text, err := in.ReadBytes('\n')
		if err != nil && err != io.EOF {
			return errors.Join(err, f.Close())
		}
		l, ok := decodeLine(text)
		if !ok {
			clean = clean && len(text) == 0
			break
		}
		good += int64(len(text))
		clean = l.Clean
		e.state.floor, reserved, e.jump = max(e.state.floor, l.Floor), max(reserved, l.Reserved), max(e.jump, l.Jump)
		for _, c := range l.Changes {
			if e.flaw == DropsEmpty && c.Version != 0 && len(c.Value) == 0 {
				continue
			}
			e.state.install(c)
		}
	}
	if err := errors.Join(f.Truncate(good), seekTo(f, good)); err != nil {
		return errors.Join(err, f.Close())
	}
	e.file, e.reserved = f, reserved
	if !clean && e.flaw != ReusesVersions {
		if err := e.setJump(reserved); err != nil {
			return errors.Join(err, f.Close())
		}
	}
	switch e.flaw {
	case ForgetsFloor:
		e.state.floor = 0
	case ResetsVersions:
		e.state.floor = 0
		for ks := range e.state.live {
			for k, r := range e.state.live[ks] {
				e.state.live[ks][k] = rec{r.value, 1}
			}
		}
	}
	if e.durability.Class == engines.Interval {
		e.startFlusher()
	}
	return nil
}

// setJump keeps versions from being granted again after an unclean stop, and
// after every later stop too.
func (e *engine) setJump(to engines.Version) error {
	e.jump = to
	if e.is(ForgetsJump) {
		return nil
	}
	if err := e.append(line{Jump: to}); err != nil {
		return err
	}
	return e.flush()
}

func seekTo(f *os.File, at int64) error {
	_, err := f.Seek(at, io.SeekStart)
	return err
}

func (e *engine) startFlusher() {
	e.stop, e.done = make(chan struct{}), make(chan struct{})
	go func() {
		defer close(e.done)
		tick := time.NewTicker(e.durability.Window / 2)
		defer tick.Stop()
		for {
			select {
			case <-e.stop:
				return
			case <-tick.C:
			}
			e.mu.Lock()
			if e.flaw != NeverFlushes {
				e.failed = errors.Join(e.failed, e.flush())
			}
			e.mu.Unlock()
		}
	}()
}

// record appends the changes of a commit to the journal, as durably as the class says.
func (e *engine) record(changes []change, top engines.Version) error {
	if top > e.reserved {
		e.reserved = top + reserve
		if err := e.append(line{Reserved: e.reserved}); err != nil {
			return err
		}
		if err := e.flush(); err != nil {
			return err
		}
	}
	pieces := [][]change{changes}
	if e.flaw == TearsOnKill && len(changes) > 1 {
		pieces = [][]change{changes[:1], changes[1:]}
	}
	for i, p := range pieces {
		if i > 0 {
			time.Sleep(time.Millisecond)
		}
		if err := e.append(line{Changes: p}); err != nil {
			return err
		}
		late := e.durability.Class == engines.Interval && e.flaw != NeverFlushes && time.Since(e.flushed) > e.durability.Window
		if !late && (e.durability.Class == engines.Interval || e.flaw == LosesOnKill) {
			continue
		}
		if err := e.flush(); err != nil {
			return err
		}
	}
	return nil
}

// append puts a line into the buffer.
func (e *engine) append(l line) error {
	text, err := l.encode()
	e.buffer = append(e.buffer, text...)
	return err
}

// flush writes the buffer, and waits for the device unless the class is process.
func (e *engine) flush() error {
	e.flushed = time.Now()
	if len(e.buffer) == 0 {
		return nil
	}
	if _, err := e.file.Write(e.buffer); err != nil {
		return err
	}
	e.buffer = e.buffer[:0]
	if e.durability.Class == engines.Process {
		return nil
	}
	e.stats.Flushes++
	return e.file.Sync()
}

// writeJournal writes a journal that holds s and nothing else, durably.
func (e *engine) writeJournal(name string, s *state, reserved, jump engines.Version, clean bool) error {
	text, err := line{Changes: s.changes(), Floor: s.floor, Reserved: reserved, Jump: jump, Clean: clean}.encode()
	if err != nil {
		return err
	}
	f, err := os.Create(name + ".tmp")
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	if !e.is(CopyUnsynced) {
		err = errors.Join(err, f.Sync())
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err := os.Rename(name+".tmp", name); err != nil {
		return err
	}
	return syncDir(filepath.Dir(name))
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// makeEmpty creates dir, or accepts it if it is empty.
func makeEmpty(dir string) error {
	err := os.Mkdir(dir, 0o755)
	if !errors.Is(err, fs.ErrExist) {
		return err
	}
	names, err := os.ReadDir(dir)
	if err == nil && len(names) > 0 {
		err = fmt.Errorf("%w: %s is not empty", engines.ErrInvalid, dir)
	}
	return err
}
