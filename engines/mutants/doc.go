// Package mutants holds engines that are broken on purpose, so that the checks
// of package enginetest are themselves checked.
//
//  1. There is one small engine, a map under one lock with a journal. Without a
//     flaw it keeps every claim of the contract in classes process, interval and
//     sync: it is the control.
//  2. A [Flaw] is one way to break one claim; the code asks for it where the
//     claim is kept. [All] lists the flaws with the check that must catch each
//     and the class in which it shows.
//  3. The test runs that check against the mutant and demands that it fails,
//     runs every check against the control and demands that none does, and
//     demands that no check of the suite is without a mutant.
//
// Nothing here is made for speed, and no engine of this package is listed for users.
package mutants
