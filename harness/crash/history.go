package crash

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"orbitbench/engines"
)

// EventKind says what a worker told.
type EventKind string

// The kinds of event.
const (
	Opened     EventKind = "O" // the engine is open, for the first time or again
	Issued     EventKind = "I" // the commit of a step begins
	Acked      EventKind = "A" // it was acknowledged, and granted Versions
	Refused    EventKind = "F" // it ended in Error; whether it happened is open, unless Full
	Read       EventKind = "R" // a reader was shown Versions[0] of Key
	Checkpoint EventKind = "C" // a forced checkpoint ended
	Closed     EventKind = "Z" // the engine was closed cleanly
	Done       EventKind = "D" // the load is over
	Broken     EventKind = "X" // the worker cannot go on: Error
)

// Event is one line of a history. At is the stamp at which the harness took it
// in, in the order of everything that was recorded; Nanos is the time for which the
// harness had run then, from the beginning of the history.
type Event struct {
	Kind     EventKind        `json:"k"`
	At       uint64           `json:"at"`
	Nanos    int64            `json:"ns"`
	Writer   int              `json:"w,omitempty"`
	Step     int              `json:"s,omitempty"` // from 1
	Probe    bool             `json:"probe,omitempty"`
	Versions []uint64         `json:"v,omitempty"`
	Keyspace engines.Keyspace `json:"ks,omitempty"`
	Key      []byte           `json:"key,omitempty"`
	Error    string           `json:"error,omitempty"`
	Full     bool             `json:"full,omitempty"` // Error is ErrFull: nothing was applied
}

// History is what one worker did, and all that it takes to say what it meant.
// Base is what the store held before, and must hold after.
type History struct {
	Load   Load         `json:"load"`
	Base   []BaseRecord `json:"base,omitempty"`
	Events []Event      `json:"-"`
}

// BaseRecord is a record that was there before the history began, or was once:
// Top is the highest version that its key was ever known to have.
type BaseRecord struct {
	Record
	Present bool   `json:"present"`
	Top     uint64 `json:"top"`
}

// Acks counts the acknowledged commits.
func (h *History) Acks() int {
	n := 0
	for i := range h.Events {
		if h.Events[i].Kind == Acked {
			n++
		}
	}
	return n
}

// Save writes h as JSON lines: what it is of, then its events.
func (h *History) Save(path string) (err error) {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	w := bufio.NewWriter(f)
	enc := json.NewEncoder(w)
	if err := enc.Encode(h); err != nil {
		return err
	}
	for i := range h.Events {
		if err := enc.Encode(&h.Events[i]); err != nil {
			return err
		}
	}
	return w.Flush()
}

// LoadHistory reads what Save wrote. Its errors name the file and the line.
func LoadHistory(path string) (*History, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	h, err := decodeHistory(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return h, nil
}

func decodeHistory(r io.Reader) (*History, error) {
	dec := json.NewDecoder(r)
	h := new(History)
	if err := dec.Decode(h); err != nil {
		return nil, fmt.Errorf("line 1: %w", err)
	}
	if err := h.Load.Validate(); err != nil {
		return nil, fmt.Errorf("line 1: %w", err)
	}
	for line := 2; ; line++ {
		var e Event
		if err := dec.Decode(&e); errors.Is(err, io.EOF) {
			return h, nil
		} else if err != nil {
			return nil, fmt.Errorf("line %d: %w", line, err)
		}
		h.Events = append(h.Events, e)
	}
}
