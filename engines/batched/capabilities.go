package batched

import "orbitbench/engines"

// What the batcher hands through. A commit is acknowledged after the engine
// within has acknowledged it, so what that engine promises of a view, a
// snapshot or a checkpoint holds for the callers of the batcher as well.
type (
	// copying is in front of an engine with views and snapshots.
	copying struct {
		*engine
		engines.Viewer
		engines.Snapshotter
	}
	// tracing is in front of one that checkpoints and tells of it too.
	tracing struct {
		copying
		engines.Checkpointer
		engines.Spanner
	}
)

// declare gives e the capabilities of the engine within that are not about
// committing. They come in the two groups that the engines of this module have;
// one with half of a group is in front of none of it.
func declare(e *engine) engines.Engine {
	viewer, views := e.inner.(engines.Viewer)
	copier, copies := e.inner.(engines.Snapshotter)
	if !views || !copies {
		return e
	}
	c := copying{e, viewer, copier}
	checkpointer, checkpoints := e.inner.(engines.Checkpointer)
	spanner, spans := e.inner.(engines.Spanner)
	if !checkpoints || !spans {
		return c
	}
	return tracing{c, checkpointer, spanner}
}
