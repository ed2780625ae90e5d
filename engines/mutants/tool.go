package mutants

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	"orbitbench/engines"
)

var (
	_ engines.Verifier = Driver{}
	_ engines.Dumper   = Driver{}
	_ engines.Spanner  = (*engine)(nil)
)

// Verify is engines.Verifier.Verify.
func (d Driver) Verify(ctx context.Context, dir string, progress func(done, total int64)) (engines.VerifyReport, error) {
	name := filepath.Join(dir, journalName)
	text, err := os.ReadFile(name)
	if err != nil {
		return engines.VerifyReport{}, fmt.Errorf("mutant: verify: %w", err)
	}
	report := engines.VerifyReport{Files: 1, Bytes: int64(len(text))}
	for done := 0; done < len(text); {
		if err := ctx.Err(); err != nil {
			return report, err
		}
		end := bytes.IndexByte(text[done:], '\n') + 1
		l, ok := decodeLine(text[done : done+end])
		if !ok {
			report.TornTail, report.TornFile, report.TornBytes = true, name, int64(len(text)-done)
			break
		}
		report.Records += uint64(len(l.Changes))
		done += end
		if progress != nil {
			progress(int64(done), int64(len(text)))
		}
	}
	if d.Flaw == VerifyWrites {
		return report, os.WriteFile(name+".verified", nil, 0o644)
	}
	return report, nil
}

// Dump is engines.Dumper.Dump: the journal is text.
func (d Driver) Dump(_ context.Context, dir string, w io.Writer) error {
	if d.Flaw == DumpsNothing {
		return nil
	}
	f, err := os.Open(filepath.Join(dir, journalName))
	if err != nil {
		return fmt.Errorf("mutant: dump: %w", err)
	}
	if _, err := io.Copy(w, f); err != nil {
		return fmt.Errorf("mutant: dump: %w", err)
	}
	return f.Close()
}

// Spans is engines.Spanner.Spans.
func (e *engine) Spans() []engines.Span {
	e.mu.RLock()
	defer e.mu.RUnlock()
	spans := slices.Clone(e.spans)
	if e.is(SpansReversed) {
		slices.Reverse(spans)
	}
	return spans
}
