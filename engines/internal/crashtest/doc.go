// Package crashtest judges what an in-house engine has after a crash by what it
// had acknowledged before.
//
//  1. [Run] opens the engine on a file system in memory ([vfs.Mem]) and lets
//     writers commit: each has a pair of records in two keyspaces that only change
//     together, a point of a time series that belongs to the same step, and a lease
//     that it renews.
//  2. In the middle of operations of the file system it takes states: what a kill,
//     or a power cut with one of its losses, may leave there.
//  3. Each state is opened, judged by what was acknowledged and issued by then,
//     written to, closed, verified, and crashed once more while it is being opened.
//     What only one engine has to do or to check there is a hook of its
//     [storetest.Subject].
//
// Class sync may lose nothing, class process nothing to a kill. Class interval may
// lose what was acknowledged within one window. It does so at any time after that window
// if what would make it durable does not get on, because acknowledgements are held back
// then: the window ends where the last acknowledgement begins, and not where the
// crash is, so that no pause of the machine, and no slow device, makes a right engine look
// wrong. The judge takes the beginning of the call for that of its
// acknowledgement and allows once more the window, and three times what the machine was
// seen to oversleep, for a timer that fires late. In the other cases only what is half or was never issued
// is wrong.
//
// [States] is the whole test of an engine, [FindsLostSyncs] the test of that test.
package crashtest
