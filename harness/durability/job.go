package durability

import (
	"encoding/binary"
	"fmt"
	"time"

	"orbitbench/engines"
	"orbitbench/harness/result"
)

// The hidden verbs of the program's processes.
const (
	PassVerb   = "durability-pass"
	WorkerVerb = "durability-worker"
)

// Job says what to verify. It travels to the processes as JSON.
type Job struct {
	Engine      string             `json:"engine"`
	Durability  engines.Durability `json:"durability"`
	Dir         string             `json:"dir"` // an existing empty directory for this pass alone; the caller removes it
	MemoryBytes int64              `json:"memory_bytes,omitempty"`
	Config      map[string]any     `json:"config,omitempty"` // the engine's own options

	Marker marker `json:"marker"` // filled in by Verify
}

// Lookup finds the driver of an engine by its name.
type Lookup = func(name string) (engines.Driver, error)

// phase is one part of the pass.
type phase struct {
	writers int
	commits int           // of each writer at most
	limit   time.Duration // after which no writer begins another one; 0 for none
	pace    time.Duration // that each writer waits between two commits
}

// phases returns the parts of a pass. A commit may take 10 ms on a slow disk, so
// the time is bounded too. Under class interval the commits are spread over
// several windows.
func phases(d engines.Durability) []phase {
	if d.Class == engines.Interval {
		return []phase{{writers: 1, commits: 60, pace: d.Window / 8}, {writers: 8, commits: 12, pace: d.Window / 4}}
	}
	return []phase{{writers: 1, commits: 150, limit: 400 * time.Millisecond}, {writers: 8, commits: 20, limit: 300 * time.Millisecond}}
}

// grace is how long the process waits at the end of class interval, so that the
// last commits can become durable without Close.
func grace(d engines.Durability) time.Duration {
	if d.Class != engines.Interval {
		return 0
	}
	return max(4*d.Window, 200*time.Millisecond)
}

// markDescriptor is where the worker writes its marks: the first of its extra
// files, which leads nowhere.
const markDescriptor = 3

// The marks.
const (
	markPhase = 'P' // number: writers; 0 ends the phase
	markIssue = 'I' // number: commit
	markAck   = 'A' // number: commit; written after err was checked
	markEnd   = 'E' // nothing more is judged
)

const markBytes = 8

// markOf is a mark's bytes: its letter, what it commits (p or r), and a number.
func markOf(letter, kind byte, number int) [markBytes]byte {
	var b [markBytes]byte
	b[0], b[1] = letter, kind
	binary.LittleEndian.PutUint32(b[4:], uint32(number))
	return b
}

func parseMark(b []byte) (letter, kind byte, number int, err error) {
	if len(b) != markBytes || b[2] != 0 || b[3] != 0 {
		return 0, 0, 0, fmt.Errorf("the worker wrote %x, which is no mark", b)
	}
	return b[0], b[1], int(binary.LittleEndian.Uint32(b[4:])), nil
}

// The kinds of commit.
const (
	kindPut   = 'p'
	kindRenew = 'r'
)

func kindName(k byte) string {
	if k == kindRenew {
		return "renewal"
	}
	return "put"
}

// blank is the result of a pass before anything has happened.
func (j *Job) blank() result.Durability {
	return result.Durability{Engine: j.Engine, Durability: j.Durability.String(), Class: j.Durability.Class.String()}
}
