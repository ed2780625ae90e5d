package cell

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"orbitbench/engines"
	"orbitbench/engines/directory"
	"orbitbench/engines/lease"
	"orbitbench/harness/clock"
	"orbitbench/harness/offheap"
	"orbitbench/harness/record"
	"orbitbench/workloads"
)

// nodeStore is the store of cluster members. Each worker writes nodes of its
// own, so that what is known of a node is for one goroutine.
type nodeStore struct {
	params  workloads.Params
	space   *workloads.Nodes
	clock   clock.Clock
	version []uint64 // last acknowledged; 0: the node is not in the cluster
	expires []uint64 // ns since the Unix epoch
	status  []uint8
}

func newNodeStore(p workloads.Params, seed uint64, c clock.Clock, m *offheap.Arena) (*nodeStore, error) {
	space, err := workloads.NewNodes(p, seed)
	if err != nil {
		return nil, err
	}
	n := space.Size()
	return &nodeStore{
		params: p, space: space, clock: c,
		version: offheap.Take[uint64](m, n), expires: offheap.Take[uint64](m, n), status: offheap.Take[uint8](m, n),
	}, nil
}

func (s *nodeStore) acknowledge(node int, v engines.Version, status lease.NodeStatus, expires int64) {
	s.version[node], s.status[node], s.expires[node] = uint64(v), uint8(status), uint64(expires)
}

// fill lets every member join, each worker its own.
func (s *nodeStore) fill(ctx context.Context, e engines.Engine, progress func(done, total int)) (records int, bytes int64, err error) {
	total := 0
	for node := range s.space.Size() {
		if s.space.IsMember(node) {
			total++
		}
	}
	d := directory.New(e, directory.Options{})
	var done atomic.Int64
	errs := make([]error, s.params.Workers)
	var wg sync.WaitGroup
	for w := range errs {
		wg.Go(func() { errs[w] = s.join(ctx, d.NewSession(), w, &done) })
	}
	wg.Wait()
	progress(int(done.Load()), total)
	return int(done.Load()), done.Load() * int64(s.space.KeyBytes()+s.params.ValueBytes), errors.Join(errs...)
}

func (s *nodeStore) join(ctx context.Context, session *directory.Session, worker int, done *atomic.Int64) error {
	block := s.space.Size() / s.params.Workers
	var l lease.Node
	for node := worker * block; node < (worker+1)*block; node++ {
		if !s.space.IsMember(node) {
			continue
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		s.space.Fill(&l, node, lease.Active, s.clock.Wall(s.clock.Now()))
		v, err := session.StoreNode(ctx, &l)
		if err != nil {
			return fmt.Errorf("node %d: %w", node, err)
		}
		s.acknowledge(node, v, l.Status, l.ExpiresAt)
		done.Add(1)
	}
	return nil
}

func (s *nodeStore) performers(e engines.Engine, seed uint64) (all []performer) {
	d := directory.New(e, directory.Options{})
	for _, next := range s.space.Steps(seed) {
		all = append(all, &nodePerformer{nodeStore: s, ctx: context.Background(), session: d.NewSession(), next: next})
	}
	return all
}

func (s *nodeStore) liveBytes() (n uint64) {
	for _, v := range s.version {
		if v != 0 {
			n += uint64(s.space.KeyBytes() + s.params.ValueBytes)
		}
	}
	return n
}

func (s *nodeStore) writtenBytes(op int) uint64 {
	switch op {
	case workloads.NodeGet, workloads.NodeList:
		return 0
	case workloads.NodeRemove:
		return uint64(s.space.KeyBytes())
	}
	return uint64(s.space.KeyBytes() + s.params.ValueBytes)
}

// check compares every node.
func (s *nodeStore) check(ctx context.Context, e engines.Engine) (*checked, error) {
	c := &checked{what: "nodes"}
	seen := make([]bool, s.space.Size())
	err := directory.New(e, directory.Options{}).NewSession().ListNodes(ctx, func(n *lease.Node, v engines.Version) error {
		node, ok := s.space.NodeOf(n.Namespace, n.ID)
		if !ok || seen[node] {
			c.fault(&c.Phantom, "node %q of namespace %q is none of the load's, or is there twice", n.ID, n.Namespace)
			return nil
		}
		seen[node] = true
		if c.version(fmt.Sprintf("node %s", n.ID), uint64(v), s.version[node]) {
			if err := s.space.Check(n, node, lease.NodeStatus(s.status[node]), int64(s.expires[node])); err != nil {
				c.fault(&c.Lost, "node %s at version %d: %v", n.ID, v, err)
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("scan of the nodes: %w", err)
	}
	for node, v := range s.version {
		if v != 0 && !seen[node] {
			c.gone("node %d, acknowledged at version %d", node, v)
		}
	}
	return c, nil
}

// nodePerformer carries out the operations of one worker on the nodes.
type nodePerformer struct {
	*nodeStore
	ctx     context.Context
	session *directory.Session
	next    workloads.Stepper
	step    workloads.Step
	node    lease.Node
	listed  int
}

func (p *nodePerformer) prepare() { p.next.Next(&p.step) }

// do is performer's do. A node whose lease has run out registers anew where it
// was to be renewed, as a node does that was cut off for too long.
func (p *nodePerformer) do(now int64) (op int, outcome record.Outcome, err error) {
	node, wall := p.step.Item, p.clock.Wall(now)
	switch op = p.step.Op; op {
	case workloads.NodeRenew:
		if int64(p.expires[node]) <= wall {
			op, err = workloads.NodeUpdate, p.update(node, lease.Active, wall)
			break
		}
		err = p.renew(node, wall)
	case workloads.NodeGet:
		err = p.get(node)
	case workloads.NodeList:
		p.listed = 0
		err = p.session.ListActiveNodes(p.ctx, wall, func(*lease.Node, engines.Version) error { p.listed++; return nil })
	case workloads.NodeUpdate:
		status := lease.Draining
		if lease.NodeStatus(p.status[node]) == lease.Draining {
			status = lease.Active
		}
		err = p.update(node, status, int64(p.expires[node])-p.space.Duration())
	case workloads.NodeStore:
		err = p.update(node, lease.Active, wall)
	default:
		if err = p.remove(node); err == nil {
			p.version[node] = 0
		}
	}
	return op, outcomeOf(err), err
}

func (p *nodePerformer) renew(node int, wall int64) error {
	namespace, id := p.space.Name(node)
	expires := wall + p.space.Duration()
	v, err := p.session.RenewNode(p.ctx, namespace, id, p.space.Token(node), wall, expires, wall+p.space.RenewAfter())
	if err == nil {
		p.acknowledge(node, v, lease.NodeStatus(p.status[node]), expires)
	}
	return p.own(err)
}

// update writes a node whose lease was renewed at a time; version 0 lets it join.
func (p *nodePerformer) update(node int, status lease.NodeStatus, renewed int64) error {
	p.space.Fill(&p.node, node, status, renewed)
	v, err := p.session.UpdateNode(p.ctx, &p.node, engines.Version(p.version[node]))
	if err == nil {
		p.acknowledge(node, v, status, p.node.ExpiresAt)
	}
	return p.own(err)
}

func (p *nodePerformer) remove(node int) error {
	namespace, id := p.space.Name(node)
	return p.own(p.session.RemoveNode(p.ctx, namespace, id, engines.Version(p.version[node])))
}

func (p *nodePerformer) get(node int) error {
	namespace, id := p.space.Name(node)
	v, err := p.session.GetNode(p.ctx, namespace, id, &p.node)
	if err == nil && uint64(v) != p.version[node] {
		err = fmt.Errorf("%w: node %s is at version %d, acknowledged was %d", errLost, id, v, p.version[node])
	}
	return p.own(err)
}

// own turns what cannot happen to a node that nobody else writes into an error
// that is none of the outcomes.
func (p *nodePerformer) own(err error) error {
	if errors.Is(err, engines.ErrConflict) || errors.Is(err, engines.ErrNotFound) {
		return fmt.Errorf("%w: node %d at version %d: %v", errLost, p.step.Item, p.version[p.step.Item], err)
	}
	return err
}
