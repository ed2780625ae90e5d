// Package batched is a cohort batcher in front of another engine: it makes one
// bulk write of the commits that several callers want at the same time, as an
// application could do for itself. It is the fair yardstick for group commit:
// what an established store can do when its users help it.
//
//  1. [New] names a new engine after the one within ("bbolt+batch"). It declares
//     its own capabilities: the native renewal path, whatever the engine within
//     can do, and what has nothing to do with batching as far as the engine
//     within has it: views and snapshots, checkpoints and spans, the verifier
//     (capabilities.go).
//  2. A commit joins a queue. The first that finds nobody leading leads; the
//     others sleep (queue.go).
//  3. The leader lets other goroutines run until the queue holds as many commits
//     as the last cohort plus those queued while it was written, for at most a
//     share of the mean time of a write. Writers that have just been answered
//     are on their way back with the next commit, and a write that waits for
//     them carries twice as many.
//  4. It chooses a cohort: commits no two of which touch a key that the other
//     writes. One that requires a version which a member requires too and then
//     changes comes along as its rival: if the member succeeds it has lost, and
//     is told so without a write. The rest wait for the next cohort, where they
//     come first (cohort.go).
//  5. The cohort becomes one batch of the engine within, with all conditions, and
//     is applied once. If that is refused nothing has been applied: the leader
//     then judges each member by itself against the stored state, answers those
//     that fail with their own error, and applies the survivors. Members are
//     atomic one by one: one that fails is left out whole.
//  6. Every member gets its outcome and its versions, the next leader is chosen,
//     and the callers return.
//
// No lock is held while the engine within writes: callers that come meanwhile
// queue up, readers go straight to the engine. Since all writes pass through
// here, one cohort at a time, the state that a cohort is judged against cannot
// change before it is applied.
package batched
