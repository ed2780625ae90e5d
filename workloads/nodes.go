package workloads

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"reflect"
	"time"

	"orbitbench/engines/lease"
)

// Operations on the nodes.
const (
	NodeRenew  = iota // extend the lease of a node
	NodeGet           // read one node
	NodeList          // read all nodes and keep those that are active
	NodeUpdate        // change the status of a node: active to draining and back
	NodeStore         // a node joins the cluster
	NodeRemove        // a node leaves it

	numNodeOps = NodeRemove + 1
)

var nodeOpNames = [numNodeOps]string{"renew", "get", "list", "update", "store", "remove"}

// Nodes is a cluster: Params.Actors members, each of which has a lease, and a
// reserve of machines that join and leave. Each worker has nodes of its own, as
// a node is renewed by nobody but itself. It is immutable and safe for
// concurrent use.
type Nodes struct {
	params Params
	seed   uint64
	block  int // nodes of one worker, its reserve included
	bare   int // bytes of a record with the longest name and no padding
}

// nodeReserve is how many machines of each worker come and go.
const nodeReserve = 4

// nodeNamespace is the namespace of all nodes.
const nodeNamespace = "orbit"

func (p *Params) validateNodes() error {
	if p.Workers > p.Actors {
		return fmt.Errorf("workers is %d, want at most one for each of %d nodes", p.Workers, p.Actors)
	}
	if n := newNodes(*p, 0); p.ValueBytes < n.bare {
		return fmt.Errorf("value_bytes is %d, a node of this workload takes at least %d", p.ValueBytes, n.bare)
	}
	return nil
}

// NewNodes returns the cluster of p under seed.
func NewNodes(p Params, seed uint64) (*Nodes, error) {
	if p.Store != StoreNodes {
		return nil, fmt.Errorf("store is %q, want %s", p.Store, StoreNodes)
	}
	if err := p.Validate(); err != nil {
		return nil, err
	}
	return newNodes(p, seed), nil
}

func newNodes(p Params, seed uint64) *Nodes {
	n := &Nodes{params: p, seed: mix(seed ^ golden), block: (p.Actors+p.Workers-1)/p.Workers + nodeReserve}
	var l lease.Node
	n.fillBare(&l, n.Size()-1)
	n.bare = len(encoded(l.AppendBinary(nil)))
	return n
}

// encoded is the record that a codec has given. It cannot fail for what this
// package writes: every string is short.
func encoded(b []byte, err error) []byte {
	if err != nil {
		panic("workloads: " + err.Error())
	}
	return b
}

// Size is the number of nodes that can ever be in the cluster.
func (n *Nodes) Size() int { return n.block * n.params.Workers }

// members is how many nodes of a worker stay in the cluster from the load on.
func (n *Nodes) members(worker int) int {
	all := int(math.Round(n.params.Prefill * float64(n.params.Actors)))
	own := all / n.params.Workers
	if worker < all%n.params.Workers {
		own++
	}
	return own
}

// IsMember reports whether a node is in the cluster from the load on.
func (n *Nodes) IsMember(node int) bool { return node%n.block < n.members(node/n.block) }

// Name returns the namespace and id of a node.
func (n *Nodes) Name(node int) (namespace, id string) { return nodeNamespace, nodeName(node) }

// NodeOf returns the node of that name, or false if there is none.
func (n *Nodes) NodeOf(namespace, id string) (int, bool) {
	var node int
	if _, err := fmt.Sscanf(id, "node-%d", &node); err != nil || node < 0 || node >= n.Size() {
		return 0, false
	}
	return node, namespace == nodeNamespace && id == nodeName(node)
}

// Duration and RenewAfter are in nanoseconds.
func (n *Nodes) Duration() int64 { return int64(n.params.LeaseSeconds * float64(time.Second)) }

// RenewAfter is how long after a renewal a node renews again.
func (n *Nodes) RenewAfter() int64 { return int64(n.params.RenewSeconds * float64(time.Second)) }

// KeyBytes is the length of a node's key in the store.
func (n *Nodes) KeyBytes() int { return len(nodeNamespace) + 1 + len(nodeName(n.Size()-1)) }

// Fill sets *l to the record of a node that has this status and whose lease was
// renewed at time now (ns since the Unix epoch). A tag pads it to
// Params.ValueBytes.
func (n *Nodes) Fill(l *lease.Node, node int, status lease.NodeStatus, now int64) {
	n.fillBare(l, node)
	l.Status = status
	l.ExpiresAt, l.RenewAt = now+n.Duration(), now+n.RenewAfter()
	shorter := 2 * (len(nodeName(n.Size()-1)) - len(l.ID)) // the id stands in the URL too
	l.Tags[0].Value = string(fill(nil, n.seed+uint64(node), n.params.ValueBytes-n.bare+shorter))
}

func (n *Nodes) fillBare(l *lease.Node, node int) {
	id := nodeName(node)
	*l = lease.Node{
		ID: id, Namespace: nodeNamespace, URL: "https://" + id + ".orbit.internal", Port: uint16(7000 + node%1000),
		ActorTypes: []string{typeName("", node%20), typeName("", 20+node%20)}, MaxActors: 10_000,
		Tags:           []lease.Tag{{Name: "labels"}, {Name: "zone", Value: fmt.Sprintf("zone-%c", 'a'+rune(node%3))}},
		ChallengeToken: n.Token(node),
	}
}

// Token is what a renewal of the node must present.
func (n *Nodes) Token(node int) []byte {
	token := binary.LittleEndian.AppendUint64(nil, mix(n.seed^uint64(node)*golden))
	return binary.LittleEndian.AppendUint64(token, mix(n.seed+uint64(node)*wyStep))
}

// Check reports in what respect a record is not one that this workload wrote for
// the node with this status and expiry.
func (n *Nodes) Check(l *lease.Node, node int, status lease.NodeStatus, expiresAt int64) error {
	var want lease.Node
	n.Fill(&want, node, status, expiresAt-n.Duration())
	switch {
	case l.Status != status:
		return fmt.Errorf("status is %v, want %v", l.Status, status)
	case l.ExpiresAt != expiresAt:
		return fmt.Errorf("its lease expires at %d, want %d", l.ExpiresAt, expiresAt)
	case !bytes.Equal(l.ChallengeToken, want.ChallengeToken):
		return fmt.Errorf("its token differs from what was written")
	case !reflect.DeepEqual(*l, want):
		return fmt.Errorf("it differs from what was written")
	}
	return nil
}

// NodeSteps draws the steps of one worker. A store takes the next machine of
// the worker's reserve, a removal the one that joined first; where there is none
// the one becomes the other, so that the cluster keeps its size.
type NodeSteps struct {
	rng    random
	cuts   []uint64
	first  int // of the worker's block
	own    int // members of the block that stay
	spare  int
	oldest int // position in the reserve of the machine that joined first
	joined int
}

var _ Stepper = (*NodeSteps)(nil)

// Steps returns the steps of each worker.
func (n *Nodes) Steps(seed uint64) []*NodeSteps {
	cuts := cutsOf(n.params.Mix, nodeOpNames[:])
	all := make([]*NodeSteps, n.params.Workers)
	for w := range all {
		own := n.members(w)
		all[w] = &NodeSteps{rng: newRandom(seed, w), cuts: cuts, first: w * n.block, own: own, spare: n.block - own}
	}
	return all
}

// Next implements Stepper.
func (g *NodeSteps) Next(s *Step) {
	x := g.rng.next()
	s.Op = drawOp(g.cuts, x&(1<<32-1))
	switch {
	case s.Op == NodeStore:
		g.turnover(s, g.joined < g.spare)
	case s.Op == NodeRemove, s.Op != NodeList && g.own+g.joined == 0:
		g.turnover(s, g.joined == 0)
	default:
		i := int(x >> 32 * uint64(g.own+g.joined) >> 32)
		if s.Item = g.first + i; i >= g.own {
			s.Item = g.reserved(i - g.own)
		}
	}
}

func (g *NodeSteps) reserved(i int) int { return g.first + g.own + (g.oldest+i)%g.spare }

func (g *NodeSteps) turnover(s *Step, join bool) {
	if join {
		s.Op, s.Item = NodeStore, g.reserved(g.joined)
		g.joined++
		return
	}
	s.Op, s.Item = NodeRemove, g.reserved(0)
	g.oldest = (g.oldest + 1) % g.spare
	g.joined--
}
