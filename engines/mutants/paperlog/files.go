package paperlog

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"orbitbench/engines"
	"orbitbench/engines/adapter"
)

const currentName = "CURRENT"

func logName(generation uint64) string      { return fmt.Sprintf("log-%d", generation) }
func snapshotName(generation uint64) string { return fmt.Sprintf("snapshot-%d", generation) }

// files is the directory of a store, and how its flaw treats it.
type files struct {
	dir  string
	flaw Flaw
}

func (s files) path(name string) string { return filepath.Join(s.dir, name) }
func (s files) believe() bool           { return s.flaw == NoChecksum }

// syncFile makes the bytes of f durable.
func (s files) syncFile(f *os.File) error {
	err := f.Sync()
	if s.flaw == SwallowFsync {
		return nil
	}
	return err
}

// syncNames makes the names in the store's directory durable, and its own.
func (s files) syncNames() error {
	if s.flaw == NoDirSync {
		return nil
	}
	err := errors.Join(adapter.SyncFile(s.dir), adapter.SyncFile(filepath.Dir(s.dir)))
	if s.flaw == SwallowFsync {
		return nil
	}
	return err
}

// replace puts a file in place of another under a temporary name. Its name is
// durable after syncNames. moved says that the new file may be there.
func (s files) replace(name string, content []byte, synced bool) (moved bool, err error) {
	temporary := s.path(name + ".tmp")
	f, err := os.OpenFile(temporary, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o644)
	if err != nil {
		return false, err
	}
	_, err = f.Write(content)
	if err == nil && synced {
		err = s.syncFile(f)
	}
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return false, errors.Join(err, os.Remove(temporary))
	}
	return true, os.Rename(temporary, s.path(name))
}

// setCurrent lets CURRENT name a generation whose log holds every frame up to seq.
func (s files) setCurrent(generation, seq uint64) (moved bool, err error) {
	b := appendHead(nil, fileCurrent, generation)
	b = appendFrame(b, generation, frame{seq: 1, kind: frameCurrent, payload: binary.LittleEndian.AppendUint64(nil, seq)})
	moved, err = s.replace(currentName, b, true)
	if err == nil {
		err = s.syncNames()
	}
	return moved, err
}

// loaded is what a store holds.
type loaded struct {
	generation uint64
	live       [engines.NumKeyspaces]map[string]record
	state      adapter.VersionState
	seq        uint64 // of the last frame
	synced     uint64 // every frame up to here was durable when CURRENT was written
	end        int64  // of the last frame within the log
	torn       int64  // bytes behind it that are no frame; 0: none but zeros
	replayed   uint64
	files      int
	bytes      int64
}

// record is one live record. Its value is never changed, so that readers may keep it.
type record struct {
	value   []byte
	version engines.Version
}

func (l *loaded) records() (n uint64) {
	for ks := range l.live {
		n += uint64(len(l.live[ks]))
	}
	return n
}

func (l *loaded) install(c change) {
	if c.version == 0 {
		delete(l.live[c.ks], c.key)
		return
	}
	l.live[c.ks][c.key] = record{c.value, c.version}
}

// load reads the store and changes nothing. fs.ErrNotExist: there is no
// CURRENT, and nothing that would need one. Damage is a *CorruptError.
func (s files) load() (*loaded, error) {
	l := &loaded{}
	for ks := range l.live {
		l.live[ks] = make(map[string]record)
	}
	if err := s.loadCurrent(l); err != nil {
		return nil, err
	}
	if l.generation > 1 {
		if err := s.loadSnapshot(l); err != nil {
			return nil, err
		}
	}
	if err := s.loadLog(l); err != nil {
		return nil, err
	}
	return l, nil
}

// read reads a file that must be there and checks its head.
func (s files) read(l *loaded, name string, k fileKind) ([]byte, error) {
	b, err := os.ReadFile(s.path(name))
	if err != nil {
		if errors.Is(err, os.ErrNotExist) {
			return nil, s.corrupt(name, -1, "the file is missing")
		}
		return nil, err
	}
	l.files++
	l.bytes += int64(len(b))
	generation, wrong := checkHead(b, k, s.believe())
	if wrong == "" && l.generation != 0 && generation != l.generation {
		wrong = fmt.Sprintf("generation %d, want %d", generation, l.generation)
	}
	if wrong != "" {
		return nil, s.corrupt(name, 0, wrong)
	}
	l.generation = generation
	return b, nil
}

func (s files) corrupt(name string, off int64, reason string) error {
	return &engines.CorruptError{File: s.path(name), Offset: off, Reason: reason}
}

func (s files) loadCurrent(l *loaded) error {
	if _, err := os.Lstat(s.path(currentName)); errors.Is(err, os.ErrNotExist) {
		return s.checkUnborn()
	}
	b, err := s.read(l, currentName, fileCurrent)
	if err != nil {
		return err
	}
	f, next, ok := frameAt(b, headBytes, l.generation, s.flaw)
	if !ok || f.kind != frameCurrent || len(f.payload) != 8 || next != len(b) || l.generation == 0 {
		return s.corrupt(currentName, headBytes, "no valid frame, or more than one")
	}
	l.synced = binary.LittleEndian.Uint64(f.payload)
	return nil
}

// checkUnborn returns fs.ErrNotExist if the directory holds at most what a crash
// of the first Open leaves: CURRENT is durable before anything is committed.
func (s files) checkUnborn() error {
	entries, err := os.ReadDir(s.dir)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		name := entry.Name()
		if strings.HasPrefix(name, "snapshot-") || (strings.HasPrefix(name, "log-") && name != logName(1)) {
			return s.corrupt(currentName, -1, "the file is missing, but there is "+name)
		}
		if name != logName(1) {
			continue
		}
		b, err := os.ReadFile(s.path(name))
		if err != nil {
			return err
		}
		if _, _, ok := frameAt(b, headBytes, 1, Control); ok {
			return s.corrupt(currentName, -1, "the file is missing, but "+name+" holds commits")
		}
	}
	return fs.ErrNotExist
}

func (s files) loadSnapshot(l *loaded) error {
	name := snapshotName(l.generation)
	b, err := s.read(l, name, fileSnapshot)
	if err != nil {
		return err
	}
	for off, want := headBytes, uint64(1); ; want++ {
		f, next, ok := frameAt(b, off, l.generation, s.flaw)
		if !ok || f.seq != want {
			return s.corrupt(name, int64(off), fmt.Sprintf("no valid frame %d", want))
		}
		wrong := s.apply(l, f)
		switch f.kind {
		case frameBase:
			l.seq = binary.LittleEndian.Uint64(f.payload)
		case frameEnd:
			if n := binary.LittleEndian.Uint64(f.payload); n != l.records() && !s.believe() {
				wrong = fmt.Sprintf("%d records, want %d", l.records(), n)
			} else if next != len(b) {
				wrong = fmt.Sprintf("%d bytes behind the end", len(b)-next)
			}
		}
		if wrong != "" {
			return s.corrupt(name, int64(off), wrong)
		}
		if f.kind == frameEnd {
			return nil
		}
		off = next
	}
}

// apply takes over what a frame says, or says what is wrong with it.
func (s files) apply(l *loaded, f frame) (wrong string) {
	switch f.kind {
	case frameBatch:
		if err := decodeChanges(f.payload, s.flaw == NoBounds || s.believe(), l.install); err != nil {
			return err.Error()
		}
	case frameState:
		if err := l.state.UnmarshalBinary(f.payload); err != nil {
			return err.Error()
		}
	default:
		if len(f.payload) != 8 {
			return fmt.Sprintf("payload of %d bytes, want 8", len(f.payload))
		}
	}
	return ""
}

func (s files) loadLog(l *loaded) error {
	name := logName(l.generation)
	b, err := s.read(l, name, fileLog)
	if err != nil {
		return err
	}
	off := headBytes
	for {
		f, next, ok := frameAt(b, off, l.generation, s.flaw)
		if !ok || f.seq != l.seq+1 || f.kind > frameState {
			break
		}
		if wrong := s.apply(l, f); wrong != "" {
			return s.corrupt(name, int64(off), wrong)
		}
		l.seq, l.replayed = f.seq, l.replayed+1
		off = next
	}
	l.end = int64(min(off, len(b)))
	if at, ok := durableBehind(b, off, l.generation, l.seq+1); ok {
		return s.corrupt(name, l.end, fmt.Sprintf("no valid frame %d, but it was durable when the one at %d was written", l.seq+1, at))
	}
	if l.seq < l.synced {
		return s.corrupt(name, l.end, fmt.Sprintf("the log ends with frame %d, but %d were durable when it was closed", l.seq, l.synced))
	}
	l.torn = int64(len(b)) - l.end
	if allZero(b[l.end:]) {
		l.torn = 0
	}
	return nil
}

// durableBehind looks behind off for a frame that was written when frame seq,
// which is not at off, was durable: then off is damaged and not torn.
func durableBehind(b []byte, off int, generation, seq uint64) (at int, ok bool) {
	for off = (off + 7) &^ 7; len(b)-off >= frameBytes; off += 8 {
		if binary.LittleEndian.Uint64(b[off+8:]) <= seq || binary.LittleEndian.Uint64(b[off+16:]) < seq {
			continue
		}
		if f, _, ok := frameAt(b, off, generation, Control); ok && f.durable < f.seq {
			return off, true
		}
	}
	return 0, false
}

func allZero(b []byte) bool {
	for _, c := range b {
		if c != 0 {
			return false
		}
	}
	return true
}
