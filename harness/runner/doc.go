// Package runner carries out a plan: one fresh child process and one fresh
// directory per cell, one result file per cell, and nothing lost when it ends early.
//
// The story in order:
//
//  1. [Run] checks the output directory, takes the lock of the machine
//     ([TakeLock]) and removes data that a killed run left behind; a live run
//     with another lock file keeps what it has in the same place ([Occupy]).
//  2. It writes plan.toml, the plan in full, and run.json: the environment, the
//     engines, every cell, the command line.
//  3. Before each cell it probes the device; then it starts this program again
//     with the hidden verb cell, a Spec on its standard input, and reads
//     messages from its standard output. The child dies with the parent.
//  4. A child that crashes, hangs, fills the disk or says something that is no
//     message gives a failed cell with the reason, and the run goes on.
//  5. Each result is written atomically, and run.json anew after it. When the
//     context ends, the current cell is given up and the finished ones stay.
//  6. [Resume] reads plan.toml and runs the cells that have no file.
//
// A run directory holds run.json, plan.toml, cells/KEY.json and what reports
// add. The data of the engines lies elsewhere: see [Options.DataDir].
package runner
