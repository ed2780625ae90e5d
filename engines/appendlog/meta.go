package appendlog

import (
	"orbitbench/engines/internal/index"
	"orbitbench/engines/internal/meta"
)

// metaFormat is what META says of an append-log store; package meta has its bytes.
var metaFormat = meta.Format{Magic: "OBAPPLOG", Number: 1, Shape: index.Stripes, ShapeName: "stripes", Ours: snapshots.Is}
