package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"orbitbench/engines/all"
	"orbitbench/harness/plan"
	"orbitbench/harness/runner"
	"orbitbench/reports/explain"
)

const explainHelp = `Explain a word of the report: a metric, a durability class, a workload or preset,
an engine, each in a paragraph with its source. Without a name, list the names.

Exit codes: 0 ok, 2 wrong usage or an unknown name.`

func (a *app) explainCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:     "explain [NAME...]",
		Short:   "explain a metric, class, workload or engine",
		Long:    explainHelp,
		Example: "  orbitbench explain\n  orbitbench explain write_p99\n  orbitbench explain cowbtree sync",
		RunE: func(_ *cobra.Command, names []string) error {
			entries := explanations()
			shown := entries
			if len(names) > 0 {
				var err error
				if shown, err = explained(entries, names); err != nil {
					return err
				}
			}
			switch {
			case asJSON:
				return a.printJSON(shown)
			case len(names) == 0:
				return a.listExplanations(shown)
			}
			for i, e := range shown {
				if i > 0 {
					fmt.Fprintln(a.stdout)
				}
				if err := a.printExplanation(e); err != nil {
					return err
				}
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the entries as JSON")
	return cmd
}

// explanations are those of the reports, and one for each engine and preset of
// this program.
func explanations() []explain.Entry {
	entries := explain.Static()
	for _, p := range plan.Presets() {
		entries = append(entries, explain.OfPreset(p.Name, p.About, p.Source, p.Params))
	}
	for _, d := range all.Drivers() {
		entries = append(entries, explain.OfEngine(runner.Describe(d.Info())))
	}
	return entries
}

// explained looks the names up; an unknown one is a usage error with near names.
func explained(entries []explain.Entry, names []string) ([]explain.Entry, error) {
	var shown []explain.Entry
	for _, name := range names {
		found := explain.Find(entries, name)
		if len(found) == 0 {
			text := fmt.Sprintf("explain %s: no such name", name)
			if near := explain.Near(entries, name); len(near) > 0 {
				text += ", did you mean " + strings.Join(near, " or ") + "?"
			}
			return nil, usage(fmt.Errorf("%s (orbitbench explain lists all)", text))
		}
		for _, e := range found {
			if !slices.ContainsFunc(shown, func(s explain.Entry) bool { return s.Text == e.Text }) {
				shown = append(shown, e)
			}
		}
	}
	return shown, nil
}

func (a *app) listExplanations(entries []explain.Entry) error {
	for _, kind := range explain.Kinds {
		var names []string
		for _, e := range entries {
			if e.Kind == kind && !slices.Contains(names, e.Name) { // a store's load may have two
				names = append(names, e.Name)
			}
		}
		if err := a.printParagraph(fmt.Sprintf("%-9s ", kind), strings.Join(names, ", ")); err != nil {
			return err
		}
	}
	return nil
}

func (a *app) printExplanation(e explain.Entry) error {
	if _, err := fmt.Fprintf(a.stdout, "%s, %s\n", e.Name, e.Kind); err != nil {
		return err
	}
	if err := a.printParagraph("", e.Text); err != nil {
		return err
	}
	return a.printParagraph("Source: ", e.Source)
}

// printParagraph wraps text behind head at the width of the terminal, 100 at most.
func (a *app) printParagraph(head, text string) error {
	width := 100
	if w := terminalWidth(a.stdout); w > 0 {
		width = min(width, max(w, 40))
	}
	line, indent := head, strings.Repeat(" ", len(head))
	empty := true
	for _, word := range strings.Fields(text) {
		if !empty && len(line)+1+len(word) > width {
			if _, err := fmt.Fprintln(a.stdout, line); err != nil {
				return err
			}
			line, empty = indent, true
		}
		if !empty {
			line += " "
		}
		line, empty = line+word, false
	}
	_, err := fmt.Fprintln(a.stdout, line)
	return err
}
