package workloads

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"orbitbench/engines/lease"
)

func storeParams(t *testing.T, store string) Params {
	p, err := LookupPreset(store)
	require.NoError(t, err)
	p.Params.Workers = 4
	p.Params.Actors = 103
	return p.Params
}

// steppersOf returns the generator of each worker of a store.
func steppersOf(t *testing.T, p Params, seed uint64) (all []Stepper) {
	switch p.Store {
	case StoreNodes:
		n, err := NewNodes(p, seed)
		require.NoError(t, err)
		for _, g := range n.Steps(seed) {
			all = append(all, g)
		}
	case StoreQueryCache:
		q, err := NewQueries(p, seed)
		require.NoError(t, err)
		for _, g := range q.Steps(seed) {
			all = append(all, g)
		}
	default:
		s, err := NewSeries(p, seed)
		require.NoError(t, err)
		for _, g := range s.Steps(seed) {
			all = append(all, g)
		}
	}
	return all
}

func draw(g Stepper, n int) []Step {
	steps := make([]Step, n)
	for i := range steps {
		g.Next(&steps[i])
	}
	return steps
}

func TestStepsAreDecidedBySeedAndWorker(t *testing.T) {
	for _, store := range Stores() {
		p := storeParams(t, store)
		a, b, c := steppersOf(t, p, 7), steppersOf(t, p, 7), steppersOf(t, p, 8)
		for w := range a {
			first := draw(a[w], 500)
			require.Equal(t, first, draw(b[w], 500), "%s worker %d", store, w)
			require.NotEqual(t, first, draw(c[w], 500), "%s: another seed", store)
			if w > 0 {
				require.NotEqual(t, draw(a[0], 500), first, "%s: another worker", store)
			}
		}
	}
}

func TestStepsKeepTheMix(t *testing.T) {
	const n = 200_000
	for _, store := range Stores() {
		p := storeParams(t, store)
		names := OpNamesOf(store)
		counts := make([]int, len(names))
		g := steppersOf(t, p, 3)[1]
		var s Step
		for range n {
			g.Next(&s)
			counts[s.Op]++
		}
		for op, name := range names {
			want := p.Mix[name]
			if name == "store" || name == "remove" { // one turns into the other at the ends of the reserve
				continue
			}
			require.InDelta(t, want, float64(counts[op])/n, 0.005, "%s %s", store, name)
		}
		require.Zero(t, testing.AllocsPerRun(100, func() { g.Next(&s) }), store)
	}
}

func TestWorkersHaveItemsOfTheirOwn(t *testing.T) {
	for _, store := range []string{StoreNodes, StoreTimeSeries} {
		owner := map[int]int{}
		for w, g := range steppersOf(t, storeParams(t, store), 5) {
			for _, s := range draw(g, 5000) {
				if store == StoreNodes && s.Op == NodeList {
					continue
				}
				if o, ok := owner[s.Item]; ok {
					require.Equal(t, o, w, "%s item %d", store, s.Item)
				}
				owner[s.Item] = w
			}
		}
		require.GreaterOrEqual(t, len(owner), 103, "%s: every item is drawn", store)
	}
}

func TestNodesJoinBeforeTheyLeave(t *testing.T) {
	p := storeParams(t, StoreNodes)
	n, err := NewNodes(p, 1)
	require.NoError(t, err)
	members := map[int]bool{}
	for i := range n.Size() {
		if n.IsMember(i) {
			members[i] = true
		}
	}
	require.Len(t, members, p.Actors)
	for _, g := range n.Steps(9) {
		for _, s := range draw(g, 20_000) {
			switch s.Op {
			case NodeStore:
				require.False(t, members[s.Item])
				members[s.Item] = true
			case NodeRemove:
				require.True(t, members[s.Item])
				delete(members, s.Item)
			case NodeList:
			default:
				require.True(t, members[s.Item], "%s of a node that is not there", nodeOpNames[s.Op])
			}
		}
	}
	p.Prefill = 0
	n, err = NewNodes(p, 1)
	require.NoError(t, err)
	var s Step
	n.Steps(9)[0].Next(&s)
	require.Equal(t, NodeStore, s.Op, "an empty cluster can only be joined")
}

func TestNodeRecords(t *testing.T) {
	p := storeParams(t, StoreNodes)
	n, err := NewNodes(p, 1)
	require.NoError(t, err)
	for node := range n.Size() {
		var l, back lease.Node
		n.Fill(&l, node, lease.Draining, 1e18)
		raw, err := l.AppendBinary(nil)
		require.NoError(t, err)
		require.Len(t, raw, p.ValueBytes)
		require.NoError(t, back.UnmarshalBinary(raw))
		require.NoError(t, n.Check(&back, node, lease.Draining, l.ExpiresAt))
		require.Error(t, n.Check(&back, node, lease.Active, l.ExpiresAt))
		require.Error(t, n.Check(&back, node, lease.Draining, l.ExpiresAt+1))
		require.Error(t, n.Check(&back, (node+1)%n.Size(), lease.Draining, l.ExpiresAt))
		back.ChallengeToken[0]++
		require.ErrorContains(t, n.Check(&back, node, lease.Draining, l.ExpiresAt), "token")
		got, ok := n.NodeOf(n.Name(node))
		require.True(t, ok)
		require.Equal(t, node, got)
	}
	for _, id := range []string{"", "node-", "node-99999", "node-1", "node--0001", "node-00001x"} {
		_, ok := n.NodeOf("orbit", id)
		require.False(t, ok, id)
	}
	_, ok := n.NodeOf("other", "node-00001")
	require.False(t, ok)
}

func TestQueryEntries(t *testing.T) {
	p := storeParams(t, StoreQueryCache)
	q, err := NewQueries(p, 1)
	require.NoError(t, err)
	require.Equal(t, 52, q.Prefilled())
	var scratch []byte
	for query := range q.Size() {
		var e, back lease.QueryEntry
		q.Fill(&e, query, 1e18+int64(query))
		raw, err := e.AppendBinary(nil)
		require.NoError(t, err)
		require.Len(t, raw, p.ValueBytes)
		require.NoError(t, back.UnmarshalBinary(raw))
		require.NoError(t, q.Check(&back, query, &scratch))
		require.Error(t, q.Check(&back, (query+1)%q.Size(), nil))
		back.CreatedAt++
		require.Error(t, q.Check(&back, query, nil), "the result is that of another time")
		key := q.AppendKey(nil, query)
		got, ok := q.QueryOf(key)
		require.True(t, ok)
		require.Equal(t, query, got)
		key[3]++
		_, ok = q.QueryOf(key)
		require.False(t, ok)
	}
	_, ok := q.QueryOf([]byte("short"))
	require.False(t, ok)
	require.EqualValues(t, 5e9, q.TTL())
}

func TestQueriesArePopularByZipf(t *testing.T) {
	counts := map[int]int{}
	for _, s := range draw(steppersOf(t, storeParams(t, StoreQueryCache), 1)[0], 50_000) {
		counts[s.Item]++
	}
	require.Greater(t, slices.Max(slices.Collect(maps.Values(counts))), 5000)
	require.Greater(t, len(counts), 90)
}

func TestSeriesPoints(t *testing.T) {
	p := storeParams(t, StoreTimeSeries)
	s, err := NewSeries(p, 1)
	require.NoError(t, err)
	require.Equal(t, 200, s.Prefilled())
	for series := range s.Size() {
		var last []byte
		for n := range uint64(5) {
			var point, back lease.Point
			s.Fill(&point, series, n)
			raw, err := point.AppendBinary(nil)
			require.NoError(t, err)
			require.Len(t, raw, p.ValueBytes)
			require.NoError(t, back.UnmarshalBinary(raw))
			require.Equal(t, point, back)
			key := s.AppendKey(nil, series, n)
			require.LessOrEqual(t, len(key), s.KeyBytes())
			require.Negative(t, bytes.Compare(last, key), "keys are in the order of time")
			last = key
			gotSeries, gotN, ok := s.PointOf(key)
			require.True(t, ok)
			require.Equal(t, series, gotSeries)
			require.Equal(t, n, gotN)
			key[len(key)-1]++
			_, _, ok = s.PointOf(key)
			require.False(t, ok, "a nanosecond between two points")
		}
	}
	for _, key := range []string{"", "x", "orbit.actor.load.000001", "orbit.actor.load.999999\x00" + strings.Repeat("\x00", 8)} {
		_, _, ok := s.PointOf([]byte(key))
		require.False(t, ok, "%q", key)
	}
}

func TestStoreParamsAreChecked(t *testing.T) {
	tests := map[string]struct {
		store  string
		change func(*Params)
	}{
		`store is "lists"`:                         {StoreNodes, func(p *Params) { p.Store = "lists" }},
		"actors is 0":                              {StoreNodes, func(p *Params) { p.Actors = 0 }},
		"workers is 0":                             {StoreNodes, func(p *Params) { p.Workers = 0 }},
		"workers is 104":                           {StoreTimeSeries, func(p *Params) { p.Workers = 104 }},
		"workers is 105":                           {StoreNodes, func(p *Params) { p.Workers = 105 }},
		"lease_seconds is 0":                       {StoreNodes, func(p *Params) { p.LeaseSeconds = 0 }},
		"whole seconds":                            {StoreQueryCache, func(p *Params) { p.LeaseSeconds = 1.5 }},
		"prefill is 2":                             {StoreTimeSeries, func(p *Params) { p.Prefill = 2 }},
		"a node of this workload takes at least":   {StoreNodes, func(p *Params) { p.ValueBytes = 10 }},
		"an entry of this workload takes at least": {StoreQueryCache, func(p *Params) { p.ValueBytes = 10 }},
		"a point of this workload takes at least":  {StoreTimeSeries, func(p *Params) { p.ValueBytes = 10 }},
		"items of its own":                         {StoreNodes, func(p *Params) { p.Distribution, p.ZipfS = Zipf, 1 }},
		"for renewals of leases":                   {StoreQueryCache, func(p *Params) { p.Distribution = Rounds }},
		`distribution is "normal"`:                 {StoreQueryCache, func(p *Params) { p.Distribution = "normal" }},
		`operation "renew", want get or put`:       {StoreQueryCache, func(p *Params) { p.Mix = map[string]float64{"renew": 1} }},
		"sum to 0.5":                               {StoreTimeSeries, func(p *Params) { p.Mix = map[string]float64{"append": 0.5} }},
	}
	for want, tt := range tests {
		p := storeParams(t, tt.store)
		require.NoError(t, p.Validate())
		tt.change(&p)
		require.ErrorContains(t, p.Validate(), want)
	}
	_, err := NewNodes(storeParams(t, StoreTimeSeries), 1)
	require.ErrorContains(t, err, fmt.Sprintf("want %s", StoreNodes))
	_, err = NewQueries(storeParams(t, StoreNodes), 1)
	require.Error(t, err)
	_, err = NewSeries(storeParams(t, StoreNodes), 1)
	require.Error(t, err)
}
