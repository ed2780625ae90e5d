package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"orbitbench/engines/all"
	"orbitbench/harness/durability"
	"orbitbench/harness/plan"
	"orbitbench/harness/runner"
)

// app is what the verbs share.
type app struct {
	args           []string // without the program's name
	stdin          io.Reader
	stdout, stderr io.Writer
	color          string // --color: auto, always or never
	started        bool   // the command line was understood
}

// exit is an error with the exit code that it asks for.
type exit struct {
	code int
	err  error // nil if everything has been said
}

func (e *exit) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit status %d", e.code)
	}
	return e.err.Error()
}

func (e *exit) Unwrap() error { return e.err }

// usage marks an error as one of what was asked for.
func usage(err error) error { return &exit{runner.ExitUsage, err} }

// run is the program: it returns the exit code.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	a := &app{args: args, stdin: stdin, stdout: stdout, stderr: stderr}
	root := a.rootCommand()
	root.SetArgs(args)
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return runner.ExitOK
	}
	code := runner.ExitFailure
	var e *exit
	var u *runner.UsageError
	switch {
	case errors.As(err, &e):
		code = e.code
		if e.err == nil {
			return code
		}
	case errors.As(err, &u), !a.started:
		code = runner.ExitUsage
	case ctx.Err() != nil:
		code = runner.ExitInterrupted
	}
	fmt.Fprintf(stderr, "orbitbench: %s\n", strings.TrimSpace(err.Error()))
	return code
}

const rootHelp = `orbitbench compares persistence engines for actor leases on this machine.

Each engine runs the same lease-renewal load in a process and a directory of
its own, for each durability class: sync survives a power cut, process survives
kill -9, interval loses at most a window, none is lost with the process. Beside
every write stands what the device itself takes for a durable write.

Exit codes: 0 ok, 1 a failure of the tool or of a cell, 2 wrong usage,
11 an engine lost or made up a lease, acknowledges before its promise or broke
an invariant of the crash suite,
130 interrupted.`

const rootExample = `  orbitbench run                                    every engine, two to three minutes
  orbitbench run --engines appendlog,pebble --profile standard
  orbitbench plan --plan my.toml                    what would run, in full
  orbitbench resume runs/20260102-150405-quick      go on after Ctrl-C`

func (a *app) rootCommand() *cobra.Command {
	var showVersion, notices bool
	root := &cobra.Command{
		Use:           "orbitbench",
		Short:         "compare persistence engines for actor leases",
		Long:          rootHelp,
		Example:       rootExample,
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          a.noSuchVerb,
		PersistentPreRunE: func(*cobra.Command, []string) error {
			if a.color != "auto" && a.color != "always" && a.color != "never" {
				return fmt.Errorf("--color %s: want auto, always or never", a.color)
			}
			a.started = true
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error {
			if showVersion || notices {
				return a.printVersion(notices, false)
			}
			return cmd.Help()
		},
	}
	root.CompletionOptions.HiddenDefaultCmd = true
	root.SuggestionsMinimumDistance = 2
	root.PersistentFlags().StringVar(&a.color, "color", "auto", "colour: auto (on a terminal, unless NO_COLOR is set), always or never")
	root.Flags().BoolVar(&showVersion, "version", false, "print the version")
	root.Flags().BoolVar(&notices, "notices", false, "print the licences of the modules in this program")
	root.AddCommand(
		a.runCommand(),
		a.resumeCommand(),
		a.reportCommand(),
		a.compareCommand(),
		a.pairCommand(),
		a.historyCommand(),
		a.planCommand(),
		a.listCommand(),
		a.explainCommand(),
		a.verifyCommand(),
		a.dumpCommand(),
		a.snapshotCommand(),
		a.restoreCommand(),
		a.capacityCommand(),
		a.recoverCommand(),
		a.benchCommand(),
		a.aaCommand(),
		a.soakCommand(),
		a.durabilityCommand(),
		a.crashCommand(),
		a.doctorCommand(),
		a.versionCommand(),
		a.cellCommand(),
		a.benchChildCommand(),
		a.inspectCommand(),
		a.crashChildCommand(),
		a.durabilityChildCommand(durability.PassVerb),
		a.durabilityChildCommand(durability.WorkerVerb),
	)
	return root
}

// noSuchVerb refuses an unknown verb in one line.
func (a *app) noSuchVerb(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
		return fmt.Errorf("unknown verb %q, did you mean %q? (orbitbench help lists all)", args[0], near[0])
	}
	return fmt.Errorf("unknown verb %q (orbitbench help lists all)", args[0])
}

// catalog is what a plan may name in this program.
func catalog() plan.Catalog {
	return plan.Catalog{Drivers: all.Drivers(), Mutants: all.Mutants(), Presets: plan.Presets()}
}

// printJSON prints v as a result.
func (a *app) printJSON(v any) error {
	enc := json.NewEncoder(a.stdout)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}

// terminalWidth returns the columns of w, or 0 if it is no terminal.
func terminalWidth(w io.Writer) int {
	f, ok := w.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return 0
	}
	width, _, err := term.GetSize(int(f.Fd()))
	if err != nil || width <= 0 {
		return 80
	}
	return width
}

// useColor decides about colour on w: --color, then NO_COLOR, then whether it
// is a terminal that knows colour.
func (a *app) useColor(w io.Writer) bool {
	switch a.color {
	case "always":
		return true
	case "never":
		return false
	}
	return os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb" && terminalWidth(w) > 0
}

// progress is what suits standard error.
func (a *app) progress() runner.Progress {
	if terminalWidth(a.stderr) == 0 || os.Getenv("TERM") == "dumb" {
		return &runner.Lines{W: a.stderr}
	}
	return &runner.Terminal{W: a.stderr, Color: a.useColor(a.stderr), Width: func() int { return terminalWidth(a.stderr) }}
}
