package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"orbitbench/engines"
	"orbitbench/engines/restore"
	"orbitbench/harness/runner"
)

const snapshotHelp = `Open a closed store, write a point-in-time copy of it that the engine can open,
and close it again. The copy is durable when the verb ends with 0. Opening
recovers a store that was not closed cleanly. restore makes a store of the copy.

Exit codes: 0 ok, 1 no copy was made (the engine makes none, or an error of the
system), 2 wrong usage, 11 the store is damaged, 130 interrupted.`

func (a *app) snapshotCommand() *cobra.Command {
	var flags storeFlags
	var to string
	var asJSON bool
	cmd := &cobra.Command{
		Use:     "snapshot --engine NAME --dir DIR --to DIR",
		Short:   "copy a closed store at one point in time",
		Long:    snapshotHelp,
		Example: "  orbitbench snapshot --engine pebble --dir store --to copies/monday",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			d, err := flags.open()
			if err != nil {
				return err
			}
			if to == "" {
				return usage(errors.New("--to is missing: want the directory for the copy, which must not exist or be empty"))
			}
			if err := restore.Vacant(to); err != nil {
				return usage(fmt.Errorf("--to: %w", err))
			}
			return damaged(a.snapshot(cmd.Context(), d, flags.dir, to, asJSON))
		},
	}
	flags.add(cmd)
	cmd.Flags().StringVar(&to, "to", "", "`DIR` for the copy; it must not exist or be empty")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print what was done as JSON")
	return cmd
}

// copied is what a snapshot or a restore has done.
type copied struct {
	Engine  string  `json:"engine"`
	From    string  `json:"from"`
	To      string  `json:"to"`
	Files   int     `json:"files"`
	Bytes   int64   `json:"bytes"`
	Seconds float64 `json:"seconds"`
}

func (a *app) snapshot(ctx context.Context, d engines.Driver, dir, to string, asJSON bool) (err error) {
	begin := time.Now()
	e, err := d.Open(ctx, engines.Options{Dir: dir, Durability: strongest(d)})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, e.Close()) }()
	copier, ok := e.(engines.Snapshotter)
	if !ok {
		return fmt.Errorf("engine %s makes no snapshots", d.Info().Name)
	}
	p := a.lines("snapshot")
	done := make(chan error, 1)
	go func() { done <- copier.Snapshot(ctx, to) }()
	for waiting := true; waiting; {
		select {
		case err = <-done:
			waiting = false
		case <-time.After(progressEvery):
			_, bytes, _ := sizeOf(to) // of files that come and go: a guess will do
			p.tell("copy", bytes, 0)
		}
	}
	if err != nil {
		return errors.Join(err, os.RemoveAll(to)) // there was nothing in it before
	}
	r := copied{Engine: d.Info().Name, From: dir, To: to, Seconds: time.Since(begin).Seconds()}
	if r.Files, r.Bytes, err = sizeOf(to); err != nil {
		return err
	}
	if asJSON {
		return a.printJSON(r)
	}
	fmt.Fprintf(a.stdout, "ok: %s holds %d files, %d bytes\n", to, r.Files, r.Bytes)
	return nil
}

// strongest is the strongest class that an engine offers: whoever looks after a
// closed store must not make it less durable than it was.
func strongest(d engines.Driver) engines.Durability {
	best := engines.Durability{}
	for _, c := range d.Info().Classes {
		if c >= best.Class {
			best = engines.Durability{Class: c}
		}
	}
	if best.Class == engines.Interval {
		best.Window = 10 * time.Millisecond
	}
	return best
}

func sizeOf(dir string) (files int, bytes int64, err error) {
	err = filepath.WalkDir(dir, func(_ string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		info, err := entry.Info()
		if err == nil {
			files, bytes = files+1, bytes+info.Size()
		}
		return err
	})
	return files, bytes, err
}

// damaged gives damage its exit code.
func damaged(err error) error {
	if errors.Is(err, engines.ErrCorrupt) {
		return &exit{runner.ExitViolation, err}
	}
	return err
}

const restoreHelp = `Verify a snapshot and make a store of it. The snapshot is verified first, by the
engine's verifier or, where it has none, by opening a copy and reading every
record; then its files are copied beside the target and synced, and renamed to
it. So a target that exists is whole, and nothing is ever written over.

Exit codes: 0 ok, 1 nothing was restored (an error of the system), 2 wrong
usage (a target that is not empty is one), 11 the snapshot is damaged: the file
and, where it is known, the place are told; 130 interrupted.`

func (a *app) restoreCommand() *cobra.Command {
	var engine, from, to string
	var asJSON bool
	cmd := &cobra.Command{
		Use:     "restore --engine NAME --from SNAPSHOT --dir DIR",
		Short:   "make a store from a snapshot",
		Long:    restoreHelp,
		Example: "  orbitbench restore --engine pebble --from copies/monday --dir store",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			source := storeFlags{engine: engine, dir: from, flag: "--from"}
			d, err := source.open()
			if err != nil {
				return err
			}
			if to == "" {
				return usage(errors.New("--dir is missing: want the directory of the store to make, which must not exist or be empty"))
			}
			return damaged(a.restore(cmd.Context(), d, from, to, asJSON))
		},
	}
	cmd.Flags().StringVar(&engine, "engine", "", "`NAME` of the engine that made the snapshot")
	cmd.Flags().StringVar(&from, "from", "", "`DIR` of the snapshot")
	cmd.Flags().StringVar(&to, "dir", "", "`DIR` of the store to make; it must not exist or be empty")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print what was done as JSON")
	return cmd
}

func (a *app) restore(ctx context.Context, d engines.Driver, from, to string, asJSON bool) error {
	begin := time.Now()
	r, err := restore.Restore(ctx, restore.Options{Driver: d, From: from, To: to, Progress: a.lines("restore").tell})
	if errors.Is(err, restore.ErrTarget) {
		return usage(fmt.Errorf("--dir: %w", err))
	}
	if err != nil {
		return err
	}
	if asJSON {
		return a.printJSON(struct {
			copied
			Records  uint64 `json:"records"`
			Verified string `json:"verified"`
		}{copied{d.Info().Name, from, to, r.Files, r.Bytes, time.Since(begin).Seconds()}, r.Records, r.Verified})
	}
	fmt.Fprintf(a.stdout, "ok: %s holds %d files, %d bytes; verified by %s: %d records\n", to, r.Files, r.Bytes, r.Verified, r.Records)
	return nil
}

// progressEvery is the time between two lines of progress; what takes less has none.
const progressEvery = 2 * time.Second

// lines tells the progress of a verb on standard error, a line now and then.
type lines struct {
	app  *app
	what string
	last time.Time
}

func (a *app) lines(what string) *lines { return &lines{a, what, time.Now()} }

// tell says how far a stage has come, if it is time for it; total 0 is not known.
func (l *lines) tell(stage string, done, total int64) {
	if time.Since(l.last) < progressEvery {
		return
	}
	l.last = time.Now()
	if total > 0 {
		fmt.Fprintf(l.app.stderr, "%s: %s %d%% of %d\n", l.what, stage, 100*done/total, total)
		return
	}
	fmt.Fprintf(l.app.stderr, "%s: %s %d\n", l.what, stage, done)
}
