package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"orbitbench/engines"
	"orbitbench/engines/all"
)

// storeFlags name a closed store.
type storeFlags struct {
	engine, dir string
	flag        string // that dir was given with; "" is --dir
}

func (f *storeFlags) add(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.engine, "engine", "", "`NAME` of the engine that wrote the store")
	cmd.Flags().StringVar(&f.dir, "dir", "", "`DIR` of the store")
}

// open finds the driver and checks that there is a directory. Its errors are of usage.
func (f *storeFlags) open() (engines.Driver, error) {
	flag := cmp.Or(f.flag, "--dir")
	switch {
	case f.engine == "":
		return nil, usage(errors.New("--engine is missing: want the name of the engine that wrote the store"))
	case f.dir == "":
		return nil, usage(fmt.Errorf("%s is missing: want the directory of the store", flag))
	}
	d, err := all.Lookup(f.engine)
	if err != nil {
		return nil, usage(err)
	}
	info, err := os.Stat(f.dir)
	if err != nil {
		return nil, usage(fmt.Errorf("%s: %w", flag, err))
	}
	if !info.IsDir() {
		return nil, usage(fmt.Errorf("%s: %s is no directory", flag, f.dir))
	}
	return d, nil
}

const verifyHelp = `Read every byte of a closed store and check it, without changing anything.
A log that a crash cut off at its end is expected and no damage.

Exit codes: 0 the store is whole, 1 it could not be checked (the engine has no
verifier, or a file cannot be read), 2 wrong usage, 11 it is damaged.`

func (a *app) verifyCommand() *cobra.Command {
	var flags storeFlags
	var asJSON bool
	cmd := &cobra.Command{
		Use:     "verify --engine NAME --dir DIR",
		Short:   "check a closed store for damage",
		Long:    verifyHelp,
		Example: "  orbitbench verify --engine appendlog --dir runs/x.data/orbitbench-data-123/appendlog-best-orbit-default-open-sync-1/store",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			d, err := flags.open()
			if err != nil {
				return err
			}
			return a.verify(cmd.Context(), d, flags.dir, asJSON)
		},
	}
	flags.add(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the counts as JSON")
	return cmd
}

func (a *app) verify(ctx context.Context, d engines.Driver, dir string, asJSON bool) error {
	v, ok := d.(engines.Verifier)
	if !ok {
		return fmt.Errorf("engine %s has no verifier", d.Info().Name)
	}
	p := a.lines("verify")
	report, err := v.Verify(ctx, dir, func(done, total int64) { p.tell("read", done, total) })
	if err != nil {
		return damaged(err)
	}
	if asJSON {
		return a.printJSON(report)
	}
	fmt.Fprintf(a.stdout, "ok: %d files, %d bytes, %d records\n", report.Files, report.Bytes, report.Records)
	if report.TornTail {
		fmt.Fprintf(a.stdout, "the last %d bytes of %s were cut off by a crash; recovery drops them\n", report.TornBytes, report.TornFile)
	}
	return nil
}

const dumpHelp = `Print the physical structure of a closed store, file by file.

Exit codes: 0 ok, 1 the engine has no dump or a file cannot be read,
2 wrong usage, 11 the store is damaged.`

func (a *app) dumpCommand() *cobra.Command {
	var flags storeFlags
	cmd := &cobra.Command{
		Use:     "dump --engine NAME --dir DIR",
		Short:   "print the physical structure of a closed store",
		Long:    dumpHelp,
		Example: "  orbitbench dump --engine appendlog --dir DIR | less",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			d, err := flags.open()
			if err != nil {
				return err
			}
			dumper, ok := d.(engines.Dumper)
			if !ok {
				return fmt.Errorf("engine %s has no dump", d.Info().Name)
			}
			return damaged(dumper.Dump(cmd.Context(), flags.dir, a.stdout))
		},
	}
	flags.add(cmd)
	return cmd
}
