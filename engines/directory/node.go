package directory

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"

	"orbitbench/engines"
	"orbitbench/engines/lease"
)

// ErrChallenge: the renewal of a node's lease presented the wrong token.
var ErrChallenge = errors.New("wrong challenge token")

// Nodes stand in keyspace Nodes under namespace, a zero byte, and id.
func (s *Session) memberKey(namespace, id string) ([]byte, error) {
	if id == "" || strings.Contains(namespace, "\x00") {
		return nil, fmt.Errorf("%w: node %q of namespace %q: want an id, and no zero byte in the namespace", engines.ErrInvalid, id, namespace)
	}
	key := append(s.arena.take(len(namespace)+1+len(id)), namespace...)
	return append(append(key, 0), id...), nil
}

// StoreNode adds a node, or fails with engines.ErrConflict if it exists.
func (s *Session) StoreNode(ctx context.Context, n *lease.Node) (engines.Version, error) {
	return s.UpdateNode(ctx, n, 0)
}

// UpdateNode replaces a node if its version is held, or fails with engines.ErrConflict.
func (s *Session) UpdateNode(ctx context.Context, n *lease.Node, held engines.Version) (engines.Version, error) {
	s.begin()
	key, err := s.memberKey(n.Namespace, n.ID)
	if err != nil {
		return 0, err
	}
	raw, err := n.AppendBinary(nil)
	if err != nil {
		return 0, fmt.Errorf("%w: %w", engines.ErrInvalid, err)
	}
	s.batch.Require(engines.Nodes, key, held)
	s.batch.Put(engines.Nodes, key, raw)
	if err := s.engine.Apply(ctx, &s.batch); err != nil {
		return 0, err
	}
	return s.batch.Ops[0].Assigned, nil
}

// GetNode reads a node into n and returns its version, or engines.ErrNotFound.
func (s *Session) GetNode(ctx context.Context, namespace, id string, n *lease.Node) (engines.Version, error) {
	s.begin()
	key, err := s.memberKey(namespace, id)
	if err != nil {
		return 0, err
	}
	raw, v, err := s.engine.Get(ctx, engines.Nodes, key, s.index[:0])
	if err != nil {
		return 0, err
	}
	s.index = raw
	return v, n.UnmarshalBinary(raw)
}

// RemoveNode removes a node if its version is held: engines.ErrConflict if it
// has another, engines.ErrNotFound if there is none. Its leases stay until they
// expire or are taken over.
func (s *Session) RemoveNode(ctx context.Context, namespace, id string, held engines.Version) error {
	if held == 0 {
		return fmt.Errorf("%w: removal of node %q at version 0, which no node has", engines.ErrInvalid, id)
	}
	s.begin()
	key, err := s.memberKey(namespace, id)
	if err != nil {
		return err
	}
	s.batch.Require(engines.Nodes, key, held)
	s.batch.Delete(engines.Nodes, key)
	err = s.engine.Apply(ctx, &s.batch)
	var conflict *engines.ConflictError
	if errors.As(err, &conflict) && conflict.Have == 0 {
		return engines.ErrNotFound
	}
	return err
}

// RenewNode extends the lease of a node that presents its token: ErrChallenge
// if it is wrong, lease.ErrExpired if the lease ran out at or before now,
// engines.ErrNotFound. Times are ns since the Unix epoch.
func (s *Session) RenewNode(ctx context.Context, namespace, id string, token []byte, now, expiresAt, renewAt int64) (engines.Version, error) {
	var n lease.Node
	for attempt := 1; ; attempt++ {
		held, err := s.GetNode(ctx, namespace, id, &n)
		switch {
		case err != nil:
			return 0, err
		case !bytes.Equal(n.ChallengeToken, token):
			return 0, fmt.Errorf("%w: node %q of namespace %q", ErrChallenge, id, namespace)
		case n.ExpiresAt <= now:
			return 0, lease.ErrExpired
		}
		n.ExpiresAt, n.RenewAt = expiresAt, renewAt
		v, err := s.UpdateNode(ctx, &n, held)
		if !errors.Is(err, engines.ErrConflict) || attempt == maxAttempts {
			return v, err
		}
	}
}

// ListNodes calls yield with every node, by namespace and id. n is reused, and
// yield must not call the engine. engines.ErrStopScan ends the list with nil.
func (s *Session) ListNodes(ctx context.Context, yield func(n *lease.Node, v engines.Version) error) error {
	var n lease.Node
	return s.engine.Scan(ctx, engines.Nodes, nil, nil, func(key, value []byte, v engines.Version) error {
		if err := n.UnmarshalBinary(value); err != nil {
			return fmt.Errorf("node %q: %w", key, err)
		}
		return yield(&n, v)
	})
}

// ListActiveNodes is ListNodes for nodes in status Active whose lease has not
// run out at time now.
func (s *Session) ListActiveNodes(ctx context.Context, now int64, yield func(n *lease.Node, v engines.Version) error) error {
	return s.ListNodes(ctx, func(n *lease.Node, v engines.Version) error {
		if n.Status != lease.Active || n.ExpiresAt <= now {
			return nil
		}
		return yield(n, v)
	})
}

// SweepNodes removes nodes whose lease has run out at time now and returns how
// many. A node that is renewed or removed meanwhile is passed over.
func (s *Session) SweepNodes(ctx context.Context, now int64) (removed int, err error) {
	type member struct {
		namespace, id string
		version       engines.Version
	}
	var expired []member
	err = s.ListNodes(ctx, func(n *lease.Node, v engines.Version) error {
		if n.ExpiresAt <= now {
			expired = append(expired, member{n.Namespace, n.ID, v})
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	for _, m := range expired {
		err := s.RemoveNode(ctx, m.namespace, m.id, m.version)
		switch {
		case err == nil:
			removed++
		case !errors.Is(err, engines.ErrConflict) && !errors.Is(err, engines.ErrNotFound):
			return removed, err
		}
	}
	return removed, nil
}
