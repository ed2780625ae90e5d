// Package result is the schema of what orbitbench measures: one [Run] a
// directory (run.json) and one [Cell] a trial (cells/KEY.json). It is a leaf:
// it imports the standard library only, holds no logic beyond reading and
// writing, and everything that shows results depends on it and on nothing else
// of the harness.
//
// Rules of the schema: units come last in names (latency in _ns, sizes in
// _bytes, rates in _per_s); a figure that was not taken is absent (a nil
// pointer), never 0; doubts travel with the figure as Warnings. SchemaVersion
// rises when a reader of the old form would misread the new one; readers take
// every version up to their own.
package result
