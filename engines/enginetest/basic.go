package enginetest

import (
	"errors"
	"strings"

	"orbitbench/engines"
)

var basicChecks = []named{
	{"basics/put_get_delete", checkPutGetDelete},
	{"basics/keyspaces_are_apart", checkKeyspacesApart},
	{"basics/key_bytes", checkKeyBytes},
	{"basics/get_appends", checkGetAppends},
	{"basics/stats", checkStats},
}

// mayDelete reports whether the engine deletes in ks.
func (s *suite) mayDelete(ks engines.Keyspace) bool {
	return ks != engines.TimeSeries || !s.info.TimeSeriesAppendOnly
}

// mayEvict reports whether records of ks may vanish by themselves.
func (s *suite) mayEvict(ks engines.Keyspace) bool {
	return ks == engines.QueryCache && s.info.QueryCacheEvicts
}

func checkPutGetDelete(s *store) {
	e := s.start()
	for _, ks := range engines.AllKeyspaces() {
		if s.mayEvict(ks) {
			continue
		}
		s.wantAbsent(e, ks, "a")
		v := s.put(ks, "a", "one")
		s.want(e, ks, "a", "one", v)
		v = s.put(ks, "a", strings.Repeat("two", 100))
		s.want(e, ks, "a", strings.Repeat("two", 100), v)
		v = s.put(ks, "a", "")
		s.want(e, ks, "a", "", v)
		if !s.mayDelete(ks) {
			var b engines.Batch
			b.Delete(ks, []byte("a"))
			if err := e.Apply(s.ctx, &b); !errors.Is(err, engines.ErrUnsupported) {
				s.Errorf("Delete in %s: %v, want ErrUnsupported as Info declares", ks, err)
			}
			continue
		}
		s.remove(ks, "a")
		s.wantAbsent(e, ks, "a")
		s.remove(ks, "a") // no error for a record that does not exist
		if got := s.scan(e, ks, nil, nil); len(got) != 0 {
			s.Errorf("Scan %s after delete: %d records, want none", ks, len(got))
		}
	}
}

func checkKeyspacesApart(s *store) {
	e := s.start()
	want := make(map[name]record)
	for _, ks := range engines.AllKeyspaces() {
		value := "value of " + ks.String()
		want[name{ks, "same"}] = record{value, s.put(ks, "same", value)}
	}
	s.sameState("one key in every keyspace", s.dump(e), want)
	s.remove(engines.Nodes, "same")
	delete(want, name{engines.Nodes, "same"})
	s.sameState("after a delete in one of them", s.dump(e), want)
}

// checkKeyBytes stores keys that a careless encoding of keyspace, key or
// version would mix up.
func checkKeyBytes(s *store) {
	e := s.start()
	keys := []string{
		"\x00", "\x00\x00", "\x00\x01", "\x01", "a", "a\x00", "a\x00\x00", "a\x00b", "a\x01", "ab", "b",
		"a\xff", "a\xff\xff", "\xfe", "\xff", "\xff\x00", strings.Repeat("\xff", engines.MaxKeyBytes),
		strings.Repeat("\x00", engines.MaxKeyBytes), strings.Repeat("k", engines.MaxKeyBytes),
		strings.Repeat("k", engines.MaxKeyBytes-1),
	}
	want := make(map[name]record)
	for _, ks := range []engines.Keyspace{engines.Leases, engines.Index, engines.Nodes} {
		for _, k := range keys {
			want[name{ks, k}] = record{"v" + k, s.put(ks, k, "v"+k)}
		}
	}
	s.sameState("scan", s.dump(e), want)
	for n, r := range want {
		s.want(e, n.ks, n.key, r.value, r.version)
	}
	if s.keeps() {
		s.reopen()
		s.sameState("scan after reopen", s.dump(s.e), want)
	}
}

func checkGetAppends(s *store) {
	e := s.start()
	v := s.put(engines.Leases, "key", "value")
	dst := append(make([]byte, 0, 64), "before "...)
	got, have, err := e.Get(s.ctx, engines.Leases, []byte("key"), dst)
	if err != nil || string(got) != "before value" || have != v {
		s.Errorf("Get into a buffer: %q, version %d, error %v, want %q, %d", got, have, err, "before value", v)
	}
	if string(dst) != "before " {
		s.Errorf("Get changed the bytes in front: %q", dst)
	}
	got, _, err = e.Get(s.ctx, engines.Leases, []byte("key"), []byte("tight"))
	if err != nil || string(got) != "tightvalue" {
		s.Errorf("Get into a full buffer: %q, error %v, want %q", got, err, "tightvalue")
	}
}

// checkStats holds the counters that the engine has to their meaning; one that
// it does not have is 0.
func checkStats(s *store) {
	e := s.start()
	before := e.Stats()
	const commits = 20
	for i := range commits {
		s.put(engines.Leases, string(rune('a'+i)), "value")
	}
	if _, err := s.putIf(engines.Leases, "a", "x", 1<<40); !errors.Is(err, engines.ErrConflict) {
		s.Fatalf("Apply with a wrong version: %v, want ErrConflict", err)
	}
	after := e.Stats()
	if got := after.Commits - before.Commits; got != commits && after.Commits != 0 {
		s.Errorf("Stats.Commits grew by %d over %d commits", got, commits)
	}
	if got := after.Conflicts - before.Conflicts; got != 1 && after.Conflicts != 0 {
		s.Errorf("Stats.Conflicts grew by %d over one conflict", got)
	}
	if after.Records != 0 && after.Records != commits {
		s.Errorf("Stats.Records is %d, want %d", after.Records, commits)
	}
	if got := after.Flushes - before.Flushes; s.options.Durability.Class == engines.Sync && after.Flushes != 0 && got < commits {
		s.Errorf("Stats.Flushes grew by %d over %d commits one after the other under sync", got, commits)
	}
}
