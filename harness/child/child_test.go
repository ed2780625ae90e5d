package child

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestMain lets the test binary be the process that Start starts.
func TestMain(m *testing.M) {
	if len(os.Args) > 2 && os.Args[1] == "child" {
		os.Exit(body(os.Args[2]))
	}
	os.Exit(m.Run())
}

func body(name string) int {
	var job string
	if err := json.NewDecoder(os.Stdin).Decode(&job); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 2
	}
	switch name {
	case "echo":
		fmt.Printf("%q\n%q\n", job, job)
	case "fails":
		fmt.Fprintln(os.Stderr, "the disk is on fire\nand more")
		return 3
	case "stays":
		fmt.Println("0")
		bufio.NewReader(os.NewFile(3, "blocks")).ReadByte()
	}
	return 0
}

func start(t *testing.T, ctx context.Context, name string, files ...*os.File) *Process {
	p, err := Start(ctx, []string{"child", name}, "job", files...)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, p.Kill()) })
	return p
}

func TestLinesThenAGoodEnd(t *testing.T) {
	p := start(t, context.Background(), "echo")
	var said string
	require.NoError(t, p.Decode(&said))
	require.Equal(t, "job", said)
	require.ErrorContains(t, p.Decode(new(int)), `echo said "\"job\"`)
	_, err := p.Line()
	require.ErrorContains(t, err, "echo: ended early")
	require.NoError(t, p.Wait())
}

func TestABadEndSaysWhy(t *testing.T) {
	p := start(t, context.Background(), "fails")
	_, err := p.Line()
	require.EqualError(t, err, "fails: exit status 3: the disk is on fire")
	require.EqualError(t, p.Wait(), err.Error())
}

func TestKilledAndInterrupted(t *testing.T) {
	r, w, err := os.Pipe()
	require.NoError(t, err)
	defer w.Close()
	defer r.Close()
	ctx, cancel := context.WithCancel(context.Background())
	p := start(t, ctx, "stays", r)
	line, err := p.Alive(time.Minute)
	require.NoError(t, err)
	require.Equal(t, "0\n", string(line))
	line, err = p.Alive(time.Millisecond)
	require.NoError(t, err)
	require.Nil(t, line)
	cancel()
	_, err = p.Line()
	require.ErrorIs(t, err, ErrInterrupted)
	require.ErrorIs(t, p.Wait(), ErrInterrupted)
	require.NoError(t, p.Kill())
	require.NoError(t, p.Kill(), "a second time does nothing")
}

// A wait of several moments ends, and a line that comes in between is not missed.
func TestAliveOverSeveralMoments(t *testing.T) {
	r, w, err := os.Pipe()
	require.NoError(t, err)
	defer w.Close()
	defer r.Close()
	p := start(t, context.Background(), "stays", r)
	line, err := p.Alive(time.Minute)
	require.NoError(t, err)
	require.Equal(t, "0\n", string(line))
	line, err = p.Alive(2*moment + time.Millisecond)
	require.NoError(t, err)
	require.Nil(t, line)
}
