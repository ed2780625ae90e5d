package enginetest

import "orbitbench/engines"

// granted is a version that a staged put was given.
type granted struct {
	name
	version engines.Version
}

// stage adds a put to a batch that flush commits; it commits by itself before
// the batch grows past the limits.
func (s *store) stage(ks engines.Keyspace, key, value string) {
	s.Helper()
	if len(s.staged.Ops) == 1000 || s.stagedBytes+len(key)+len(value) > engines.MaxBatchBytes {
		s.commitStaged()
	}
	s.staged.Put(ks, []byte(key), []byte(value))
	s.stagedBytes += len(key) + len(value)
}

// flush commits what was staged and returns every version since the last flush.
func (s *store) flush() []granted {
	s.Helper()
	s.commitStaged()
	all := s.granted
	s.granted = nil
	return all
}

func (s *store) commitStaged() {
	s.Helper()
	if err := s.e.Apply(s.ctx, &s.staged); err != nil {
		s.Fatalf("Apply of %d records: %v", len(s.staged.Ops), err)
	}
	for _, op := range s.staged.Ops {
		s.granted = append(s.granted, granted{name{op.Keyspace, string(op.Key)}, op.Assigned})
	}
	s.staged.Reset()
	s.stagedBytes = 0
}
