package record

import (
	"context"
	"fmt"
)

// Restage makes a stage whose content is a crash state, so that the recovery of the store that
// lies there is recorded in its turn, and crashes within it can be tried. What the file system
// itself writes when it is mounted is not part of the recording.
func Restage(ctx context.Context, from Recording, s State) (Stage, error) {
	r, ok := from.(*recording)
	if !ok {
		return nil, fmt.Errorf("a recording of type %T has no states", from)
	}
	t, err := r.rebuild(s)
	if err != nil {
		return nil, err
	}
	if r.model == disk {
		return newBlockStage(ctx, r.dir, r.mount, t.nodes[diskIno].clone())
	}
	t = t.clone()
	return newFileStage(ctx, r.dir, r.model, t)
}
