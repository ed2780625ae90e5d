package paperlog

import (
	"context"
	"encoding/binary"
	"errors"
	"os"
	"time"

	"orbitbench/engines"
	"orbitbench/engines/adapter"
)

// Checkpoint is engines.Checkpointer.Checkpoint.
func (e *engine) Checkpoint(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := e.gate.Enter(); err != nil {
		return err
	}
	defer e.gate.Leave()
	e.mu.Lock()
	defer e.mu.Unlock()
	if err := e.gate.Failure(); err != nil {
		return err
	}
	return e.checkpoint()
}

// cut takes a checkpoint if the log has grown too long. One that fails costs
// nothing but itself: the log goes on, and grows as long again first.
func (e *engine) cut() error {
	if e.log.end < e.cutAt {
		return nil
	}
	err := e.checkpoint()
	if failure := e.gate.Failure(); failure != nil {
		return failure
	}
	if err != nil {
		e.cutAt = e.log.end + e.config.LogBytes
		e.options.Log("paperlog: checkpoint: %v", err)
	}
	return nil
}

// checkpoint begins the next generation; the caller holds mu. An error leaves the
// present one in use, or the engine failed if it is unknown which one is.
func (e *engine) checkpoint() error {
	begin, generation := time.Now(), e.log.generation+1
	content := e.snapshot(generation)
	e.spans.Begin("checkpoint", int(generation), begin)
	defer func() { e.spans.End("checkpoint", int(generation), time.Now(), uint64(len(content))) }()

	next, err := e.prepareGeneration(generation, content)
	if err != nil {
		return adapter.MapError(err)
	}
	old := e.log
	if e.flaw == CutEarly {
		if err := errors.Join(e.removeGeneration(old.generation), e.syncNames()); err != nil {
			return e.gate.Fail(errors.Join(err, next.close()))
		}
	}
	if moved, err := e.setCurrent(generation, next.seq); err != nil {
		if moved {
			return e.gate.Fail(errors.Join(err, next.close()))
		}
		return adapter.MapError(errors.Join(err, next.close(), e.removeGeneration(generation)))
	}
	e.log, e.cutAt, e.closedAt = next, e.config.LogBytes, next.seq
	e.stats.Checkpoints++
	e.stats.CheckpointBytes += uint64(len(content))
	e.stats.Flushes += old.flushes
	e.stats.LogBytes += old.bytes
	if err := errors.Join(old.close(), e.removeGeneration(old.generation)); err != nil {
		e.options.Log("paperlog: after a checkpoint: %v", err) // the next Open sweeps
	}
	return nil
}

// prepareGeneration writes the snapshot and an empty log, durably.
func (e *engine) prepareGeneration(generation uint64, content []byte) (*journal, error) {
	if _, err := e.replace(snapshotName(generation), content, e.flaw != SnapshotUnsynced); err != nil {
		return nil, err
	}
	next, err := createJournal(e.files, generation, e.log.seq, e.config.Mapped)
	if err == nil {
		if err = e.syncNames(); err == nil {
			return next, nil
		}
		err = errors.Join(err, next.close())
	}
	return nil, errors.Join(err, e.removeGeneration(generation))
}

// removeGeneration removes the files of a generation, as far as they are there.
func (s files) removeGeneration(generation uint64) error {
	var errs []error
	for _, name := range []string{snapshotName(generation), logName(generation)} {
		if err := os.Remove(s.path(name)); err != nil && !errors.Is(err, os.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// chunkBytes is about the payload of one frame of a snapshot.
const chunkBytes = 64 << 10

// snapshot encodes every record.
func (e *engine) snapshot(generation uint64) []byte {
	var (
		seq, records uint64
		b            = appendHead(nil, fileSnapshot, generation)
		chunk        []byte
	)
	add := func(k frameKind, payload []byte) {
		seq++
		b = appendFrame(b, generation, frame{seq: seq, kind: k, payload: payload})
	}
	add(frameBase, binary.LittleEndian.AppendUint64(nil, e.log.seq))
	if raw, err := e.state.AppendBinary(nil); err == nil { // it never is
		add(frameState, raw)
	}
	for ks := range e.live {
		for key, r := range e.live[ks] {
			chunk = change{engines.Keyspace(ks), key, r.version, r.value}.append(chunk)
			records++
			if len(chunk) >= chunkBytes {
				add(frameBatch, chunk)
				chunk = chunk[:0]
			}
		}
	}
	add(frameBatch, chunk)
	add(frameEnd, binary.LittleEndian.AppendUint64(nil, records))
	return b
}
