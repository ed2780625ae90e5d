package directory

import (
	"fmt"
	"slices"
	"testing"

	"orbitbench/engines"
	"orbitbench/engines/lease"
)

func member(namespace, id string, expires int64) *lease.Node {
	return &lease.Node{
		ID: id, Namespace: namespace, URL: "http://" + id, Port: 80, Status: lease.Active,
		ActorTypes: []string{"cart"}, MaxActors: 9, Tags: []lease.Tag{{Name: "zone", Value: "b"}},
		ExpiresAt: expires, RenewAt: expires / 2, ChallengeToken: []byte("token of " + id),
	}
}

func TestNodes(t *testing.T) {
	s := New(open(t), Options{}).NewSession()
	v := must[engines.Version](t)(s.StoreNode(ctx, member("ns", "a", 100)))
	_, err := s.StoreNode(ctx, member("ns", "a", 100))
	wantErr(t, "StoreNode of a node that exists", err, engines.ErrConflict)
	must[engines.Version](t)(s.StoreNode(ctx, member("other", "a", 100)))
	_, err = s.StoreNode(ctx, member("ns", "", 100))
	wantErr(t, "StoreNode without an id", err, engines.ErrInvalid)
	_, err = s.StoreNode(ctx, member("n\x00s", "a", 100))
	wantErr(t, "StoreNode with a zero byte in its namespace", err, engines.ErrInvalid)

	n := member("ns", "a", 100)
	n.Status = lease.Draining
	v2 := must[engines.Version](t)(s.UpdateNode(ctx, n, v))
	_, err = s.UpdateNode(ctx, n, v)
	wantErr(t, "UpdateNode at an old version", err, engines.ErrConflict)
	var got lease.Node
	if v := must[engines.Version](t)(s.GetNode(ctx, "ns", "a", &got)); v != v2 || got.Status != lease.Draining || got.URL != n.URL {
		t.Errorf("GetNode: %+v at %d, want %+v at %d", got, v, n, v2)
	}
	_, err = s.GetNode(ctx, "ns", "b", &got)
	wantErr(t, "GetNode of nothing", err, engines.ErrNotFound)

	wantErr(t, "RemoveNode at an old version", s.RemoveNode(ctx, "ns", "a", v), engines.ErrConflict)
	wantErr(t, "RemoveNode at version 0", s.RemoveNode(ctx, "ns", "a", 0), engines.ErrInvalid)
	if err := s.RemoveNode(ctx, "ns", "a", v2); err != nil {
		t.Error(err)
	}
	wantErr(t, "RemoveNode of nothing", s.RemoveNode(ctx, "ns", "a", v2), engines.ErrNotFound)
	if v3 := must[engines.Version](t)(s.StoreNode(ctx, n)); v3 <= v2 {
		t.Errorf("a node stored again gets version %d, had %d", v3, v2)
	}
}

func TestRenewNode(t *testing.T) {
	s := New(open(t), Options{}).NewSession()
	must[engines.Version](t)(s.StoreNode(ctx, member("ns", "a", 100)))
	token := []byte("token of a")
	must[engines.Version](t)(s.RenewNode(ctx, "ns", "a", token, 99, 200, 150))
	var n lease.Node
	must[engines.Version](t)(s.GetNode(ctx, "ns", "a", &n))
	if n.ExpiresAt != 200 || n.RenewAt != 150 || n.MaxActors != 9 {
		t.Errorf("after the renewal: %+v", n)
	}
	_, err := s.RenewNode(ctx, "ns", "a", []byte("guess"), 100, 300, 250)
	wantErr(t, "RenewNode with a wrong token", err, ErrChallenge)
	_, err = s.RenewNode(ctx, "ns", "a", token, 200, 300, 250)
	wantErr(t, "RenewNode at expiry", err, lease.ErrExpired)
	_, err = s.RenewNode(ctx, "ns", "b", token, 1, 300, 250)
	wantErr(t, "RenewNode of nothing", err, engines.ErrNotFound)
}

func TestListAndSweepNodes(t *testing.T) {
	s := New(open(t), Options{}).NewSession()
	for i := range 20 {
		n := member(fmt.Sprintf("ns-%d", i%2), fmt.Sprintf("node-%02d", i), int64(i*10))
		if i%5 == 4 {
			n.Status = lease.Stopped
		}
		must[engines.Version](t)(s.StoreNode(ctx, n))
	}
	count := func(list func(func(*lease.Node, engines.Version) error) error) (ids []string) {
		t.Helper()
		err := list(func(n *lease.Node, v engines.Version) error {
			if v == 0 {
				t.Errorf("node %s has version 0", n.ID)
			}
			ids = append(ids, n.ID)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		slices.Sort(ids)
		return ids
	}
	all := func(y func(*lease.Node, engines.Version) error) error { return s.ListNodes(ctx, y) }
	active := func(y func(*lease.Node, engines.Version) error) error { return s.ListActiveNodes(ctx, 100, y) }
	if got := count(all); len(got) != 20 {
		t.Errorf("ListNodes: %d nodes, want 20", len(got))
	}
	// 11 to 19 have not run out at 100; 14 and 19 are stopped.
	if got, want := count(active), []string{"node-11", "node-12", "node-13", "node-15", "node-16", "node-17", "node-18"}; !slices.Equal(got, want) {
		t.Errorf("ListActiveNodes: %v, want %v", got, want)
	}
	if got := must[int](t)(s.SweepNodes(ctx, 100)); got != 11 {
		t.Errorf("SweepNodes removed %d, want 11", got)
	}
	if got := count(all); len(got) != 9 || got[0] != "node-11" {
		t.Errorf("after the sweep: %v", got)
	}
}
