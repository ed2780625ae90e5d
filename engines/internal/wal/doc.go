// Package wal is the write-ahead log of the in-house engines.
package wal
