package enginetest

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"

	"orbitbench/engines"
	"orbitbench/engines/lease"
)

var modelChecks = []named{
	{"model/random", checkModel},
}

// model is the contract in plain Go maps.
type model struct {
	live map[name]record
	top  map[name]engines.Version // highest version ever granted
}

// modelKeyspaces are those that every engine must handle without exception.
var modelKeyspaces = []engines.Keyspace{engines.Leases, engines.Nodes, engines.Snapshots, engines.Index}

// run is one randomised comparison of a store with a model.
type run struct {
	*store
	rng   *rand.Rand
	model model
	batch engines.Batch
	now   int64
	views []heldView
}

type heldView struct {
	view engines.View
	want map[name]record
}

// checkModel drives the store and a model with the same random calls, compares
// every answer, and closes and opens the store in the middle.
func checkModel(s *store) {
	s.start()
	r := &run{store: s, rng: s.rng(4), now: 1000, model: model{
		live: make(map[name]record), top: make(map[name]engines.Version),
	}}
	for range s.count(6000) {
		r.now += r.rng.Int64N(20)
		switch n := r.rng.IntN(1000); {
		case n < 550:
			r.applyRandom()
		case n < 700:
			r.renewRandom()
		case n < 900:
			r.getRandom()
		case n < 960:
			r.scanRandom()
		case n < 980:
			r.viewRandom()
		case n < 990:
			if cp, ok := s.e.(engines.Checkpointer); ok {
				if err := cp.Checkpoint(s.ctx); err != nil {
					s.Fatalf("Checkpoint: %v", err)
				}
			}
		case n < 994:
			r.reopenRandom()
		}
	}
	r.closeViews()
	s.sameState("at the end", s.dump(s.e), r.model.live)
	r.reopenRandom()
}

func (r *run) randomName() name {
	ks := modelKeyspaces[r.rng.IntN(len(modelKeyspaces))]
	if r.rng.IntN(2) == 0 {
		ks = engines.Leases
	}
	return name{ks, fmt.Sprintf("%c%02d", 'a'+r.rng.IntN(3), r.rng.IntN(20))}
}

func (r *run) randomValue(ks engines.Keyspace) []byte {
	switch {
	case ks == engines.Leases && r.rng.IntN(4) > 0:
		raw := leaseBytes(r.now, r.now+r.rng.Int64N(400))
		return raw[:len(raw)-r.rng.IntN(40)]
	case r.rng.IntN(50) == 0:
		return value("large", r.rng.Uint64(), 16+r.rng.IntN(30_000))
	}
	v := make([]byte, r.rng.IntN(100))
	for i := range v {
		v[i] = byte(r.rng.Uint32())
	}
	return v
}

// applyRandom applies one batch. The model says which errors it may end with.
func (r *run) applyRandom() {
	b := &r.batch
	b.Reset()
	var allowed []error
	for range r.rng.IntN(4) {
		n := r.randomName()
		v := r.model.live[n].version
		if r.rng.IntN(6) == 0 {
			v += engines.Version(r.rng.IntN(3))
		}
		b.Require(n.ks, []byte(n.key), v)
		if v != r.model.live[n].version {
			allowed = append(allowed, engines.ErrConflict)
		}
	}
	used := make(map[name]bool)
	for range 1 + r.rng.IntN(6) {
		n := r.randomName()
		if used[n] {
			continue
		}
		used[n] = true
		switch k := r.rng.IntN(10); {
		case k < 6:
			b.Put(n.ks, []byte(n.key), r.randomValue(n.ks))
		case k < 8 || n.ks != engines.Leases:
			b.Delete(n.ks, []byte(n.key))
		default:
			renewal := r.randomRenewal()
			if err := r.model.renewError(n, renewal); err != nil {
				allowed = append(allowed, err)
			}
			b.Renew([]byte(n.key), renewal)
		}
	}
	err := r.e.Apply(r.ctx, b)
	r.wantError(fmt.Sprintf("Apply of %d operations under %d conditions", len(b.Ops), len(b.Conditions)), err, allowed)
	if err == nil {
		for i := range b.Ops {
			r.adopt(&b.Ops[i])
		}
	}
}

// wantError checks that err is one of those allowed, or nil if there are none.
func (r *run) wantError(what string, err error, allowed []error) {
	r.Helper()
	if len(allowed) == 0 && err == nil {
		return
	}
	for _, a := range allowed {
		if errors.Is(err, a) {
			return
		}
	}
	r.Fatalf("%s: %v, want one of %v", what, err, allowed)
}

// renewError says how a renewal fails, in the words of the contract.
func (m *model) renewError(n name, r lease.Renewal) error {
	have, ok := m.live[n]
	if !ok {
		return engines.ErrNotFound
	}
	switch err := r.Check([]byte(have.value)); {
	case errors.Is(err, lease.ErrExpired):
		return lease.ErrExpired
	case err != nil:
		return lease.ErrFormat
	}
	return nil
}

func (r *run) randomRenewal() lease.Renewal {
	return renewal(r.now, r.now+r.rng.Int64N(400))
}

// adopt carries one committed operation over to the model and checks its version.
func (r *run) adopt(op *engines.Op) {
	n := name{op.Keyspace, string(op.Key)}
	have, existed := r.model.live[n]
	if op.Kind == engines.OpDelete {
		delete(r.model.live, n)
		if op.Assigned != 0 {
			r.Fatalf("delete of %v: assigned %d, want 0", n, op.Assigned)
		}
		return
	}
	text := string(op.Value)
	if op.Kind == engines.OpRenew {
		text = patched([]byte(have.value), op.Renewal)
	}
	r.grant(n, existed, have.version, op.Assigned)
	r.model.live[n] = record{text, op.Assigned}
}

// grant checks a new version: the next one of a record, or one above all that
// the key ever had.
func (r *run) grant(n name, existed bool, have, v engines.Version) {
	r.Helper()
	if v <= r.model.top[n] {
		r.Fatalf("%v gets version %d, had %d before", n, v, r.model.top[n])
	}
	if existed && v != have+1 {
		r.Fatalf("%v gets version %d after %d", n, v, have)
	}
	r.model.top[n] = v
}

func (r *run) renewRandom() {
	native, ok := r.e.(engines.LeaseRenewer)
	if !ok {
		return
	}
	n := r.randomName()
	n.ks = engines.Leases
	have, exists := r.model.live[n]
	held, how := have.version, r.randomRenewal()
	if r.rng.IntN(6) == 0 {
		held += engines.Version(1 + r.rng.IntN(3))
	}
	var allowed []error
	switch err := r.model.renewError(n, how); {
	case exists && held != have.version:
		allowed = append(allowed, engines.ErrConflict)
	case err != nil:
		allowed = append(allowed, err)
	}
	v, err := native.RenewLease(r.ctx, []byte(n.key), held, how)
	r.wantError(fmt.Sprintf("RenewLease of %v at version %d", n, held), err, allowed)
	if err == nil {
		r.grant(n, true, have.version, v)
		r.model.live[n] = record{patched([]byte(have.value), how), v}
	}
}

func (r *run) getRandom() {
	n := r.randomName()
	if have, ok := r.model.live[n]; ok {
		r.want(r.e, n.ks, n.key, have.value, have.version)
	} else {
		r.wantAbsent(r.e, n.ks, n.key)
	}
}

func (r *run) scanRandom() {
	from, to := r.randomName(), r.randomName()
	var lo, hi []byte
	if r.rng.IntN(4) > 0 {
		lo = []byte(from.key)
	}
	if r.rng.IntN(4) > 0 {
		hi = []byte(to.key)
	}
	var want []scanned
	for n, have := range r.model.live {
		if n.ks == from.ks && n.key >= string(lo) && (hi == nil || n.key < string(hi)) {
			want = append(want, scanned{n.key, have.value, have.version})
		}
	}
	slices.SortFunc(want, func(a, b scanned) int { return strings.Compare(a.key, b.key) })
	if got := r.scan(r.e, from.ks, lo, hi); !slices.Equal(got, want) {
		r.Fatalf("Scan %s [%q, %q): %d records, want %d", from.ks, lo, hi, len(got), len(want))
	}
}

// viewRandom makes a view, or judges and closes the oldest one.
func (r *run) viewRandom() {
	viewer, ok := r.e.(engines.Viewer)
	if !ok {
		return
	}
	if len(r.views) < 3 {
		r.views = append(r.views, heldView{r.view(viewer), maps.Clone(r.model.live)})
		return
	}
	r.judgeView(r.views[0])
	r.views = r.views[1:]
}

func (r *run) judgeView(v heldView) {
	r.Helper()
	r.sameState("a view", r.dump(v.view), v.want)
	r.closeView(v.view)
}

func (r *run) closeViews() {
	r.Helper()
	for _, v := range r.views {
		r.judgeView(v)
	}
	r.views = nil
}

// reopenRandom closes the store cleanly and opens it again. Class none may lose
// records, and the model forgets them too, but not their versions.
func (r *run) reopenRandom() {
	r.Helper()
	r.closeViews()
	r.reopen()
	got := r.dump(r.e)
	if !r.keeps() {
		maps.DeleteFunc(r.model.live, func(n name, _ record) bool {
			_, ok := got[n]
			return !ok
		})
	}
	r.sameState("after reopen", got, r.model.live)
}
