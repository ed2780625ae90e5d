package main

import (
	_ "embed"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"orbitbench/harness/runner"
)

//go:embed notices.txt
var noticesText string

func (a *app) versionCommand() *cobra.Command {
	var notices, asJSON bool
	cmd := &cobra.Command{
		Use:     "version",
		Short:   "print the version, or the licences of what is linked in",
		Example: "  orbitbench version --json\n  orbitbench version --notices | less",
		Args:    cobra.NoArgs,
		RunE:    func(*cobra.Command, []string) error { return a.printVersion(notices, asJSON) },
	}
	cmd.Flags().BoolVar(&notices, "notices", false, "print the licences of the modules in this program")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print version, commit and modules as JSON")
	return cmd
}

func (a *app) printVersion(notices, asJSON bool) error {
	if notices {
		_, err := io.WriteString(a.stdout, noticesText)
		return err
	}
	t := runner.ToolInfo(version)
	if asJSON {
		return a.printJSON(t)
	}
	commit := t.Commit
	if commit == "" {
		commit = "unknown"
	}
	if t.Modified {
		commit += " with uncommitted changes"
	}
	_, err := fmt.Fprintf(a.stdout, "orbitbench %s (commit %s, %s)\n", t.Version, commit, t.GoVersion)
	return err
}
