// Package plan turns what a user asked for into the exact list of cells of a
// run. The story in order:
//
//  1. A [Request] holds the flags as given. It names a profile and perhaps a
//     TOML plan file, which [readFile] decodes strictly: an unknown key is an
//     error with file, line, column and the nearest valid name.
//  2. [Expand] lays the three over each other (flags over file over profile),
//     resolves presets, and checks everything against the drivers before any
//     file of a run exists. What comes out is a [Plan] with no default left open.
//  3. [Plan.Cells] multiplies engines, workloads, durability classes and
//     trials, and shuffles them in blocks of one trial each, so that the
//     trials of two engines are interleaved. A cell that an engine cannot run
//     stays in the list with the reason.
//  4. [Plan.TOML] prints the plan in full; reading that file again gives the
//     same plan and the same cells.
//
// Nothing here touches an engine beyond its Driver's Info and Configure.
package plan
