package enginetest

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"orbitbench/engines"
	"orbitbench/engines/lease"
)

// What an engine declares about keyspaces that need not keep everything, and
// what it claims in Options beyond that.
var declaredChecks = []named{
	{"declared/cache_bound", checkCacheBound},
	{"declared/cache_ttl", checkCacheTTL},
	{"declared/series_ranges", checkSeriesRanges},
	{"declared/series_append_only", checkSeriesAppendOnly},
}

// queryEntry is the record of a query result with a TTL.
func (s *store) queryEntry(created time.Time, ttl uint32, result string) string {
	s.Helper()
	q := lease.QueryEntry{CreatedAt: created.UnixNano(), TTLSeconds: ttl, Result: []byte(result)}
	raw, err := q.AppendBinary(nil)
	if err != nil {
		s.Fatalf("query entry: %v", err)
	}
	return string(raw)
}

// checkCacheBound puts more than fits: what is there never exceeds the bound, the
// entry that was just put is there, and what was evicted stays away.
func checkCacheBound(s *store) {
	limit := s.options.CacheBytes
	if !s.info.QueryCacheEvicts || limit == 0 {
		s.Skipf("the engine claims no bound of the query cache")
	}
	e := s.start()
	now := time.Now()
	within := func(when string) map[string]string {
		s.Helper()
		held, size := make(map[string]string), int64(0)
		for _, r := range s.scan(s.e, engines.QueryCache, nil, nil) {
			held[r.key] = r.value
			size += int64(len(r.key) + len(r.value))
		}
		if size > limit {
			s.Fatalf("%s: the query cache holds %d bytes, its bound is %d", when, size, limit)
		}
		return held
	}
	size := int(limit / 10)
	put := make(map[string]string)
	for i := range 40 {
		key := fmt.Sprintf("query-%02d", i)
		put[key] = s.queryEntry(now, 0, string(value(key, uint64(i), max(size-100, valueHead))))
		v := s.put(engines.QueryCache, key, put[key])
		s.want(e, engines.QueryCache, key, put[key], v)
		within("after " + key)
	}
	held := within("at the end")
	if len(held) < 5 {
		s.Errorf("%d entries are left of what has room for about 10", len(held))
	}
	for key, got := range held {
		if got != put[key] {
			s.Errorf("%q is %s, want what was put", key, brief([]byte(got)))
		}
	}
	if s.keeps() {
		s.reopen()
		for key := range within("after a reopen") {
			if _, ok := held[key]; !ok {
				s.Errorf("%q was evicted and is back after a reopen", key)
			}
		}
	}
}

// checkCacheTTL: an entry that has run out is absent for reads and conditions,
// and its key goes on with higher versions.
func checkCacheTTL(s *store) {
	if !s.options.CacheTTL {
		s.Skipf("the engine claims no TTL of the query cache")
	}
	e := s.start()
	now := time.Now()
	fresh := s.queryEntry(now, 3600, "fresh")
	s.put(engines.QueryCache, "fresh", fresh)
	s.put(engines.QueryCache, "for ever", s.queryEntry(now.Add(-1000*time.Hour), 0, "for ever"))
	old := s.put(engines.QueryCache, "old", s.queryEntry(now.Add(-time.Hour), 60, "old"))
	s.want(e, engines.QueryCache, "fresh", fresh, 0)
	s.wantAbsent(e, engines.QueryCache, "old")
	var keys []string
	for _, r := range s.scan(e, engines.QueryCache, nil, nil) {
		keys = append(keys, r.key)
	}
	if want := []string{"for ever", "fresh"}; !slices.Equal(keys, want) {
		s.Errorf("Scan gives %q, want %q", keys, want)
	}
	v, err := s.putIf(engines.QueryCache, "old", fresh, 0)
	if err != nil {
		s.Errorf("Apply on condition that an entry which has run out is absent: %v", err)
	} else if v <= old {
		s.Errorf("an entry that has run out goes on with version %d, was %d", v, old)
	}
	s.want(e, engines.QueryCache, "old", fresh, v)
}

// pointKey is the key of a point of a series.
func pointKey(metric string, at int64) string {
	return string(lease.AppendPointKey(nil, metric, at))
}

// checkSeriesRanges appends points in and out of order and again, and reads
// ranges of them, also across checkpoints and a reopen.
func checkSeriesRanges(s *store) {
	e := s.start()
	rng := s.rng(7)
	metrics := []string{"cpu", "cpu.user", "mem"}
	want := make(map[string]string)
	var last int64
	ranges := func(when string) {
		s.Helper()
		for _, m := range metrics {
			for range 6 {
				from, to := rng.Int64N(last+1), rng.Int64N(last+2)
				var keys []string
				for k := range want {
					if k >= pointKey(m, from) && k < pointKey(m, to) {
						keys = append(keys, k)
					}
				}
				slices.Sort(keys)
				got := s.scan(s.e, engines.TimeSeries, []byte(pointKey(m, from)), []byte(pointKey(m, to)))
				if len(got) != len(keys) {
					s.Fatalf("%s: points of %s in [%d, %d): %d, want %d", when, m, from, to, len(got), len(keys))
				}
				for i, r := range got {
					if r.key != keys[i] || r.value != want[r.key] {
						s.Fatalf("%s: point %d of %s in [%d, %d) is %q, want %q", when, i, m, from, to, r.key, keys[i])
					}
				}
			}
		}
	}
	checkpointer, _ := e.(engines.Checkpointer)
	for round := range 4 {
		for range s.count(200) {
			last += 1 + rng.Int64N(1000)
			at := last
			if rng.IntN(5) == 0 {
				at = rng.Int64N(last) // late
			}
			p := lease.Point{Value: float64(rng.IntN(50)), Labels: []lease.Tag{{Name: "host", Value: "a"}}}
			raw, err := p.AppendBinary(nil)
			if err != nil {
				s.Fatalf("point: %v", err)
			}
			key := pointKey(metrics[rng.IntN(len(metrics))], at)
			s.put(engines.TimeSeries, key, string(raw))
			want[key] = string(raw)
		}
		ranges(fmt.Sprintf("round %d", round))
		if checkpointer != nil && round%2 == 1 {
			if err := checkpointer.Checkpoint(s.ctx); err != nil {
				s.Fatalf("Checkpoint: %v", err)
			}
			ranges("after a checkpoint")
		}
	}
	if s.keeps() {
		s.reopen()
		ranges("after a reopen")
	}
}

// checkSeriesAppendOnly: a batch that deletes a point is refused as a whole.
func checkSeriesAppendOnly(s *store) {
	if !s.info.TimeSeriesAppendOnly {
		s.Skipf("the engine deletes points")
	}
	e := s.start()
	v := s.put(engines.TimeSeries, pointKey("cpu", 1), "kept")
	for _, key := range []string{pointKey("cpu", 1), pointKey("cpu", 2)} {
		var b engines.Batch
		b.Put(engines.Nodes, []byte("beside it"), nil)
		b.Delete(engines.TimeSeries, []byte(key))
		if err := e.Apply(s.ctx, &b); !errors.Is(err, engines.ErrUnsupported) {
			s.Errorf("Delete of %q: %v, want ErrUnsupported", key, err)
		}
	}
	s.wantAbsent(e, engines.Nodes, "beside it")
	s.want(e, engines.TimeSeries, pointKey("cpu", 1), "kept", v)
}
