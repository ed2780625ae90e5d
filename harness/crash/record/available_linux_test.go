package record

import (
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// Only what is not allowed makes a method one that is not here: a stage that fails in
// another way is met by its user.
func TestRefusal(t *testing.T) {
	require.ErrorContains(t, refusal(fmt.Errorf("mounting: %w", unix.EPERM)), "not allowed here: mounting")
	require.NoError(t, refusal(nil))
	require.NoError(t, refusal(fmt.Errorf("mounting: %w", unix.EINVAL)))
	require.NoError(t, refusal(errors.New("mkfs failed")))
	require.ErrorContains(t, Available("floppy"), `no method "floppy"`)
}
