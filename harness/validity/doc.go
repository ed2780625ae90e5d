// Package validity decides whether the figures of a cell may be used.
//
//  1. A cell comes in with all that was measured in and around its measured
//     phase, and with what the device took before and after it.
//  2. [Judge] holds that against the one list of thresholds (thresholds.go), and
//     looks for a trend over the seconds of the phase (steady.go).
//  3. A [result.Validity] goes out: valid, noisy or invalid, with the reason for
//     each doubt, and whether it is the machine's doing or may be the engine's.
//
// It is a pure function of results: it can be asked again when the floor behind
// a cell becomes known, or of the files of a run.
package validity
