// Package reports turns a run directory into what people read: the comparison
// table (terminal text, Markdown, CSV), one sentence of verdict, the answer to
// the design note's claims, and two charts (SVG and PNG).
//
// The story in order:
//
//  1. [Load] reads run.json and every cell, and refuses what is damaged with
//     the name of the file. A run that is unfinished or partly failed is no
//     error: what is missing becomes a row that says why.
//  2. The trials of one engine under one workload and durability become one
//     row. Their histograms are merged; a percentile is read from the merged
//     histogram and never averaged, and the lowest and highest trial go with it.
//  3. The rows of one workload and durability are a block. Durability classes
//     never share a column, and nothing is ranked across them.
//  4. The device's own write, probed between the cells of the same run, is the
//     floor that stands beside every write figure.
//  5. [Report.Verdict] and [Report.Claims] are made by rule from the rows;
//     [Report.Text], [Report.Markdown], [Report.CSV] and the charts show the
//     same figures, and [Write] puts all of them into DIR/report.
//
// The package imports of the harness only its result schema, and never opens
// an engine. Every figure in a rendering names its unit; a figure that was not
// taken is "-" or an empty field, never 0.
package reports
