// Package procstat reads what this process has used (processor time, IO,
// memory by kind) and what a directory takes on disk and in the page cache.
// Everything comes from the kernel (Linux) and from the Go runtime; what
// cannot be read is an error or absent, never 0.
package procstat
