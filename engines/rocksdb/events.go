package rocksdb

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"sync"
	"time"

	"orbitbench/engines"
	"orbitbench/engines/adapter"
)

// eventMark precedes the JSON of an event in a line of LOG.
var eventMark = []byte("EVENT_LOG_v1 ")

// event is what we read of one.
type event struct {
	TimeMicros      int64  `json:"time_micros"`
	Job             int    `json:"job"`
	Event           string `json:"event"`
	FileSize        uint64 `json:"file_size"`         // table_file_creation
	TotalOutputSize uint64 `json:"total_output_size"` // compaction_finished
}

// events follows the LOG file of an open store.
type events struct {
	path string

	mu      sync.Mutex
	offset  int64          // guarded by mu, as all below: read so far, whole lines only
	flushed map[int]uint64 // bytes of the tables of a running flush, by job
	spans   adapter.Spans
	jobs    uint64 // flushes and compactions completed
	bytes   uint64 // bytes that they wrote
}

func newEvents(path string) *events {
	return &events{path: path, flushed: make(map[int]uint64)}
}

// read takes in what was logged since the last call.
func (e *events) read() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	f, err := os.Open(e.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("reading events: %w", err)
	}
	raw, err := io.ReadAll(io.NewSectionReader(f, e.offset, 1<<62))
	if err := errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("reading events: %w", err)
	}
	e.offset += int64(e.feed(raw))
	return nil
}

// feed takes in the whole lines of raw and returns their length.
func (e *events) feed(raw []byte) (taken int) {
	for {
		end := bytes.IndexByte(raw[taken:], '\n')
		if end < 0 {
			return taken
		}
		if ev, ok := parseEvent(raw[taken : taken+end]); ok {
			e.note(ev)
		}
		taken += end + 1
	}
}

// parseEvent returns the event in a line of LOG; most lines hold none.
func parseEvent(line []byte) (event, bool) {
	_, raw, found := bytes.Cut(line, eventMark)
	if !found {
		return event{}, false
	}
	var ev event
	err := json.Unmarshal(raw, &ev)
	return ev, err == nil
}

func (e *events) note(ev event) {
	at := time.UnixMicro(ev.TimeMicros)
	switch ev.Event {
	case "flush_started":
		e.flushed[ev.Job] = 0
		e.spans.Begin("flush", ev.Job, at)
	case "table_file_creation":
		if _, flushing := e.flushed[ev.Job]; flushing {
			e.flushed[ev.Job] += ev.FileSize
		}
	case "flush_finished":
		e.done("flush", ev.Job, at, e.flushed[ev.Job])
		delete(e.flushed, ev.Job)
	case "compaction_started":
		e.spans.Begin("compaction", ev.Job, at)
	case "compaction_finished":
		e.done("compaction", ev.Job, at, ev.TotalOutputSize)
	}
}

func (e *events) done(kind string, job int, at time.Time, bytes uint64) {
	e.spans.End(kind, job, at, bytes)
	e.jobs++
	e.bytes += bytes
}

// totals returns the flushes and compactions completed and what they wrote.
func (e *events) totals() (jobs, bytes uint64) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.jobs, e.bytes
}

func (e *events) list() []engines.Span { return e.spans.List() }
