package record

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
)

// A crash state can be worked in and crashed again: what the first recording made
// durable is there in every state of the second.
func TestRestage(t *testing.T) {
	for _, stage := range []string{"posix", MountExt4} {
		t.Run(stage, func(t *testing.T) {
			need(t, stages[stage].method)
			first, _, end := recorded(t, stage, base(t), "replace")
			for s := range first.States(Options{States: 1, From: end - 1}) {
				again, err := Restage(context.Background(), first, s)
				require.NoError(t, err)
				defer again.Close()
				require.NoError(t, work(t, "write", again.Dir()))
				r, err := again.Finish(context.Background())
				require.NoError(t, err)
				require.Positive(t, r.Ops())
				for s := range r.States(Options{States: 5}) {
					text, _, _ := content(t, r, s, "a")
					require.Equal(t, newText, text, r.Describe(s))
				}
			}
		})
	}
}
