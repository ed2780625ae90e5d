package enginetest

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"orbitbench/engines"
)

var toolChecks = []named{
	{"tools/verify", checkVerify},
	{"tools/dump", checkDump},
	{"tools/spans", checkSpans},
}

// files reads every file of the store.
func (s *store) files() map[string]string {
	s.Helper()
	all := make(map[string]string)
	err := fs.WalkDir(os.DirFS(s.dir), ".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		raw, err := os.ReadFile(filepath.Join(s.dir, path))
		all[path] = string(raw)
		return err
	})
	if err != nil {
		s.Fatalf("read the directory of the store: %v", err)
	}
	return all
}

// sameFiles checks that a tool that promises to change nothing kept to it.
func (s *store) sameFiles(what string, before map[string]string) {
	s.Helper()
	after := s.files()
	for path, raw := range before {
		if now, ok := after[path]; !ok || now != raw {
			s.Errorf("%s changed %s", what, path)
		}
	}
	for path := range after {
		if _, ok := before[path]; !ok {
			s.Errorf("%s created %s", what, path)
		}
	}
}

// checkVerify verifies a store that was closed cleanly: nothing is damaged or
// torn, nothing changes, and progress does not run past its end.
func checkVerify(s *store) {
	verifier, ok := s.driver.(engines.Verifier)
	if !ok {
		s.Skipf("the driver of %s is no Verifier", s.info.Name)
	}
	s.start()
	s.fillPattern()
	s.remove(engines.Leases, "key-001")
	want := s.dump(s.e)
	s.stop()
	before := s.files()
	for _, watched := range []bool{false, true} {
		var progress func(done, total int64)
		if watched {
			progress = func(done, total int64) {
				if done < 0 || done > total {
					s.Errorf("Verify: progress %d of %d", done, total)
				}
			}
		}
		report, err := verifier.Verify(s.ctx, s.dir, progress)
		if err != nil {
			s.Fatalf("Verify after a clean close: %v", err)
		}
		if report.TornTail || report.Files <= 0 || report.Bytes <= 0 || report.Records == 0 {
			s.Errorf("Verify after a clean close: %+v, want files, bytes and records, and no torn tail", report)
		}
	}
	s.sameFiles("Verify", before)
	if _, err := verifier.Verify(s.ctx, filepath.Join(s.dir, "missing"), nil); err == nil {
		s.Errorf("Verify of a directory that does not exist succeeded")
	}
	if s.keeps() {
		s.start()
		s.sameState("after Verify", s.dump(s.e), want)
	}
}

func checkDump(s *store) {
	dumper, ok := s.driver.(engines.Dumper)
	if !ok {
		s.Skipf("the driver of %s is no Dumper", s.info.Name)
	}
	s.start()
	s.fillPattern()
	s.stop()
	before := s.files()
	var out bytes.Buffer
	if err := dumper.Dump(s.ctx, s.dir, &out); err != nil {
		s.Errorf("Dump: %v", err)
	}
	if out.Len() == 0 {
		s.Errorf("Dump of a store with records printed nothing")
	}
	s.sameFiles("Dump", before)
}

// checkSpans looks at the spans that checkpoints leave.
func checkSpans(s *store) {
	e := s.start()
	spanner, ok := e.(engines.Spanner)
	if !ok {
		s.Skipf("%s is no Spanner", s.info.Name)
	}
	cp, canCheckpoint := e.(engines.Checkpointer)
	for i := range 3 {
		s.fillPattern()
		if !canCheckpoint {
			continue
		}
		if err := cp.Checkpoint(s.ctx); err != nil {
			s.Fatalf("Checkpoint %d: %v", i, err)
		}
	}
	spans := spanner.Spans()
	if canCheckpoint && len(spans) == 0 {
		s.Errorf("no spans after three checkpoints")
	}
	if len(spans) > 4096 {
		s.Errorf("%d spans, at most 4096", len(spans))
	}
	for i, span := range spans {
		if span.Kind == "" || span.Begin.IsZero() || (!span.End.IsZero() && span.End.Before(span.Begin)) {
			s.Errorf("span %d: %+v, want a kind, a begin, and an end that is not before it", i, span)
		}
	}
	// One piece of work may contain another, so either order of age will do.
	byBegin := slices.IsSortedFunc(spans, func(a, b engines.Span) int { return a.Begin.Compare(b.Begin) })
	byEnd := slices.IsSortedFunc(spans, func(a, b engines.Span) int {
		if a.End.IsZero() || b.End.IsZero() {
			return 0 // still running
		}
		return a.End.Compare(b.End)
	})
	if !byBegin && !byEnd {
		s.Errorf("%d spans are ordered neither by begin nor by end, want the oldest first", len(spans))
	}
}
