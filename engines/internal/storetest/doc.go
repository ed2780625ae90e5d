// Package storetest is an in-house engine as its tests see it: a [Subject] says how
// to open, verify and dump a store on a file system in memory ([vfs.Mem]), and what only this
// engine has. Packages crashtest and damagetest take it too.
//
//  1. subject.go and contents.go open stores, write to them and compare what they hold,
//     versions included ([Contents]).
//  2. fill.go makes stores with every kind of record.
//  3. tools.go has the tests of what is done with a closed store or beside an open one: dump,
//     verify, a second open, the versions that come after a kill.
package storetest
