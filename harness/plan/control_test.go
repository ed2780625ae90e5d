package plan

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"orbitbench/harness/result"
)

func controls(p *Plan) (list []Cell) {
	for _, c := range p.Cells() {
		if c.ControlOf != "" {
			list = append(list, c)
		}
	}
	return list
}

func TestOneEngineRunsTwice(t *testing.T) {
	p := mustExpand(t, Request{Profile: "ci"})
	require.Equal(t, "logstore", p.Control, "the first that is skipped in no class")
	byKey := map[string]Cell{}
	for _, c := range p.Cells() {
		byKey[c.Key] = c
	}
	list := controls(p)
	require.Len(t, list, 2*p.Trials, "sync and process; recoveries have no control")
	for _, c := range list {
		of := byKey[c.ControlOf]
		require.Equal(t, of.Key+"-control", c.Key)
		require.Equal(t, of.Seed, c.Seed, "the same load")
		require.Equal(t, of.Trial, c.Trial, "in the same block")
		require.Equal(t, of.Workload, c.Workload)
		require.Equal(t, result.KindRenewal, c.Workload.Kind)
		require.Empty(t, of.ControlOf)
	}
}

func TestControlIsChosen(t *testing.T) {
	three, seven := 3, 7
	for _, tt := range []struct {
		r    Request
		want string
	}{
		{Request{}, ""},
		{Request{Profile: "quick", Trials: &seven}, ""},
		{Request{Profile: "standard", Trials: &three}, ""}, // too few to tell the noise
		{Request{Profile: "standard"}, "logstore"},
		{Request{Profile: "standard", Control: "none"}, ""},
		{Request{Profile: "standard", Control: "treestore"}, "treestore"},
		{Request{Control: "treestore"}, "treestore"},
		{Request{File: writePlan(t, "control = \"treestore\"\n")}, "treestore"},
		{Request{File: writePlan(t, "control = \"treestore\"\n"), Control: "none"}, ""},
	} {
		require.Equal(t, tt.want, mustExpand(t, tt.r).Control, "%+v", tt.r)
	}
}

func TestControlErrors(t *testing.T) {
	for want, r := range map[string]Request{
		`--control: unknown engine of the plan "treestor"`: {Control: "treestor"},
		"nothing to run twice":                             {Control: "logstore", Workloads: []string{"k8s-node-recovery"}},
		"my.toml:1:1: unknown engine of the plan":          {File: writePlan(t, "control = \"tree\"\n")},
	} {
		_, err := Expand(r, testCatalog())
		require.ErrorContains(t, err, want)
		require.NotContains(t, strings.TrimSpace(err.Error()), "\n")
	}
}
