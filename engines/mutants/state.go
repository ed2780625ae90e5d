package mutants

import (
	"maps"
	"slices"
	"strings"

	"orbitbench/engines"
)

// rec is one live record. Its value is never changed, so that copies of a
// state may share it.
type rec struct {
	value   []byte
	version engines.Version
}

// state is every record at one time.
type state struct {
	live  [engines.NumKeyspaces]map[string]rec
	floor engines.Version // at least every version of a key that is gone
}

func newState() *state {
	s := &state{}
	for ks := range s.live {
		s.live[ks] = make(map[string]rec)
	}
	return s
}

func (s *state) clone() *state {
	c := &state{floor: s.floor}
	for ks := range s.live {
		c.live[ks] = maps.Clone(s.live[ks])
	}
	return c
}

// change is one record as it is after a commit; version 0 = deleted.
type change struct {
	Keyspace engines.Keyspace `json:"ks"`
	Key      string           `json:"-"`
	KeyBytes []byte           `json:"k"` // JSON strings cannot hold every byte
	Value    []byte           `json:"v,omitempty"`
	Version  engines.Version  `json:"n,omitempty"`
	Renewal  bool             `json:"-"`
}

func (s *state) install(c change) {
	if c.Version != 0 {
		s.live[c.Keyspace][c.Key] = rec{c.Value, c.Version}
		return
	}
	s.floor = max(s.floor, s.live[c.Keyspace][c.Key].version)
	delete(s.live[c.Keyspace], c.Key)
}

// changes lists every record.
func (s *state) changes() []change {
	var all []change
	for ks := range s.live {
		for k, r := range s.live[ks] {
			all = append(all, change{Keyspace: engines.Keyspace(ks), Key: k, KeyBytes: []byte(k), Value: r.value, Version: r.version})
		}
	}
	return all
}

// found is one record with its key.
type found struct {
	key string
	rec
}

// between lists the records of [from, to) in order; a nil to is the end.
func (s *state) between(ks engines.Keyspace, from, to []byte, inclusive bool) []found {
	var all []found
	for k, r := range s.live[ks] {
		if k >= string(from) && (to == nil || k < string(to) || (inclusive && k == string(to))) {
			all = append(all, found{k, r})
		}
	}
	slices.SortFunc(all, func(a, b found) int { return strings.Compare(a.key, b.key) })
	return all
}
