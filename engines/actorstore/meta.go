package actorstore

import (
	"orbitbench/engines/internal/index"
	"orbitbench/engines/internal/meta"
)

// metaFormat is what META says of an actor store; package meta has its bytes.
var metaFormat = meta.Format{Magic: "OBACTORS", Number: 1, Shape: index.Stripes, ShapeName: "stripes", Ours: checkpoints.Is}
