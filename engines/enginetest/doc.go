// Package enginetest is the conformance suite that every engine passes, in
// every durability class that it offers.
//
// An engine's test file is this, and no more:
//
//		func TestMain(m *testing.M) { enginetest.Main(m, pebble.Driver{}) }
//
//		func TestConformance(t *testing.T) {
//			enginetest.RunClasses(t, pebble.Driver{}, enginetest.Options{})
//		}
//
//	 1. [RunClasses] calls [Run] for each class of the driver's Info, with a
//	    window of 200 ms for class interval. An engine with several modes calls
//	    Run with the Config of each.
//	 2. Run runs the [Checks]: each is one subtest named after the claim that it
//	    holds the engine to, opens its own store in its own directory, and skips
//	    with a reason when the engine does not offer the capability.
//	 3. [Main] stands in TestMain because the checks of what a kill leaves re-execute
//	    the test binary: the child opens the store, commits without pause and
//	    tells each acknowledgement through a pipe, until it is killed with
//	    SIGKILL. The parent then opens what is left and judges it by what was
//	    acknowledged.
//
// What an engine may do differently is what its Info declares
// (QueryCacheEvicts, TimeSeriesAppendOnly, Classes) and what its class allows
// after a stop: class none may lose anything but may not invent, tear or go
// back in versions; process and sync lose nothing that was acknowledged;
// interval loses at most what was acknowledged within its window, for which the suite
// allows once more the window because the machine that runs tests may be busy. An
// engine that cannot keep the window holds acknowledgements back, so that the window
// ends with the last acknowledgement, however much later the kill comes.
//
// Seeds are printed when a check fails; Options.Seed repeats a run. -short
// shortens the randomised and concurrent checks. Package mutants shows that
// each check catches an engine that breaks its claim.
package enginetest
