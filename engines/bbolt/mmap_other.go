//go:build !linux

package bbolt

const mapPopulate = 0 // no such flag
