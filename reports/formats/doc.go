// Package formats writes a run in the formats of other people's tools, so that
// nobody has to read this program's own.
//
//  1. The cells of a run come in, as results. A/A controls and cells without
//     figures are left out.
//  2. bench.txt goes out in Go's benchmark format, a line a trial, for benchstat;
//     hlog/ holds the histograms of every trial (.hlog) and of all of them (.hgrm)
//     for HdrHistogram's tools; report/ gets a JSON for github-action-benchmark in
//     each direction and the figures as OpenMetrics text.
//  3. Every file is replaced whole or not at all, and is the same for the same run.
package formats
