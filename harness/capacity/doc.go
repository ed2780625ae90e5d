// Package capacity finds how many leases an engine holds at a promise, such as
// "99.9% of renewals are acknowledged within 10 ms of their due time, and none
// later than its lease allows". It decides; it opens nothing and reads no clock.
//
//  1. A [Promise] is parsed from text. [Promise.Judge] says of a stretch of
//     renewals, offered in an open loop, whether it was kept, and if not, why.
//  2. A [Search] proposes rates for short probes: growing until one is missed,
//     then halving the gap on a log scale. A miss counts once it was repeated:
//     on a shared machine one stall is not yet the engine's limit.
//  3. A [Ladder] proposes rates for confirmations, each in a fresh store with as
//     many leases as the rate renews in an interval: it starts where the search
//     ended and climbs or descends by steps until one rung is confirmed and the
//     next one refuted. Those two bracket the capacity.
//
// Search and Ladder are pure functions of what has been recorded, so that a run
// that was interrupted goes on where it was.
package capacity
