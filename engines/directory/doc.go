// Package directory is a lease directory over any engine: who holds which actor,
// until when, and who took it over.
//
//  1. [New] looks at the engine and picks the path of a renewal: native through
//     [engines.LeaseRenewer], or generic (get, check, apply under a condition).
//     Options.Generic forces the latter, so that its price can be measured.
//  2. Each goroutine takes a [Session], which holds the scratch memory that
//     keeps renew, get, acquire and release free of allocations of their own.
//  3. [Session.Acquire] grants a lease that is absent, expired, or held by the
//     same node, under a condition on the version that it has seen: of those who
//     race, one wins. The version is the fencing token; whoever held the lease
//     before gets ErrConflict from then on.
//  4. Acquire writes two index records in the same batch (index.go): one by
//     node, for [Session.ListByNode], and one by expiry, for [Session.Sweep].
//     Renewals touch neither. The expiry record therefore says when a lease
//     would have run out without renewals; the sweep moves it on when it finds
//     the lease renewed. The node record says where the expiry record is.
//  5. Expiry is lazy: a lease that has run out stays until somebody acquires it
//     or a sweep removes it. A renewal that shortens a lease may delay its removal
//     until its expiry record is due, and delays no acquisition.
//  6. [Session.StoreNode] and its kin keep the cluster's members in keyspace Nodes.
//
// Time is an argument, in nanoseconds since the Unix epoch.
package directory
