package engines

import "fmt"

// Keyspace names one ordered map of the store. Engines map it to whatever they
// have: a column family, a bucket, a table, a key prefix.
type Keyspace uint8

// The keyspaces. Their numbers are part of file formats and never change.
const (
	Leases     Keyspace = iota // actor leases: lease.Key -> lease.Lease
	Nodes                      // cluster members
	Snapshots                  // actor state snapshots
	QueryCache                 // query results with a TTL; an engine may evict here (Info.QueryCacheEvicts)
	TimeSeries                 // points by time; an engine may refuse Delete here (Info.TimeSeriesAppendOnly)
	Index                      // secondary index records, written in the same batch as what they point to

	NumKeyspaces = int(Index) + 1
)

var keyspaceNames = [NumKeyspaces]string{"leases", "nodes", "snapshots", "query_cache", "time_series", "index"}

// AllKeyspaces returns every keyspace in numeric order.
func AllKeyspaces() []Keyspace {
	all := make([]Keyspace, NumKeyspaces)
	for i := range all {
		all[i] = Keyspace(i)
	}
	return all
}

// Valid reports whether ks is one of the keyspaces above.
func (ks Keyspace) Valid() bool { return int(ks) < NumKeyspaces }

// String returns the name used in results, dumps and file names.
func (ks Keyspace) String() string {
	if !ks.Valid() {
		return fmt.Sprintf("keyspace(%d)", uint8(ks))
	}
	return keyspaceNames[ks]
}
