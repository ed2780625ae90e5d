package reports

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"orbitbench/harness/result"
)

func TestDoctorsFindingsAreShown(t *testing.T) {
	r := load(t, writeRun(t, []string{"appendlog"}, 1, nil, func(run *result.Run) {
		run.Doctor = []result.Finding{
			{Check: "clock_source", Status: result.FindingPass, Found: "tsc"},
			{Check: "load", Status: result.FindingWarn, Found: "load average 9.00 on 2 processors: others are at work", Remedy: "stop them"},
		}
	}))
	var text, markdown strings.Builder
	require.NoError(t, r.Text(&text, TextOptions{Width: 200}))
	require.Contains(t, text.String(), "doctor   WARN load: load average 9.00 on 2 processors: others are at work\n")
	require.NotContains(t, text.String(), "tsc")
	require.NoError(t, r.Markdown(&markdown))
	require.Contains(t, markdown.String(), "| doctor load | WARN: load average 9.00 on 2 processors: others are at work; stop them |")
	require.Contains(t, markdown.String(), "| doctor clock\\_source | PASS: tsc |")
}
