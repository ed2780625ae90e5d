package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"
)

// step is one step of the workflow that docs/ci.md tells users to copy.
type step struct {
	Name, ID, If, Uses, Run string
	Env                     map[string]string
}

// workflowSteps reads the steps from the file itself, so that it cannot rot.
func workflowSteps(t *testing.T) []step {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("..", "..", "docs", "orbitbench-pr.yml"))
	require.NoError(t, err)
	var flow struct {
		On   string
		Jobs map[string]struct{ Steps []step }
	}
	require.NoError(t, yaml.Unmarshal(raw, &flow))
	require.Equal(t, "pull_request", flow.On)
	require.Len(t, flow.Jobs, 1)
	return flow.Jobs["compare"].Steps
}

// job is what GitHub's runner would give to the steps.
type job struct {
	t         *testing.T
	dir, temp string
	env       []string
	values    map[string]string // of expressions
}

var expression = regexp.MustCompile(`\$\{\{\s*(.*?)\s*\}\}`)

// fill puts values in place of expressions; an unknown one fails the test.
func (j *job) fill(text string) string {
	return expression.ReplaceAllStringFunc(text, func(e string) string {
		name := expression.FindStringSubmatch(e)[1]
		v, ok := j.values[name]
		require.True(j.t, ok, "the workflow uses %s, which this test does not know", name)
		return v
	})
}

// run carries out the steps in order as the runner does: bash -e, outputs through
// GITHUB_OUTPUT, and behind a failure only those that say always().
func (j *job) run(steps []step) (log string, failed string) {
	for _, s := range steps {
		if s.Run == "" || failed != "" && !strings.Contains(s.If, "always()") {
			continue
		}
		output := filepath.Join(j.temp, "output-"+s.ID)
		cmd := exec.Command("bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", j.fill(s.Run))
		cmd.Dir = j.dir
		cmd.Env = append(os.Environ(), j.env...)
		cmd.Env = append(cmd.Env, "RUNNER_TEMP="+j.temp, "GITHUB_OUTPUT="+output, "GITHUB_STEP_SUMMARY="+filepath.Join(j.temp, "summary.md"), "GITHUB_REPOSITORY=o/r")
		for k, v := range s.Env {
			cmd.Env = append(cmd.Env, k+"="+j.fill(v))
		}
		said, err := cmd.CombinedOutput()
		log += "== " + s.Name + "\n" + string(said)
		if err != nil && failed == "" {
			failed = s.Name
		}
		raw, _ := os.ReadFile(output)
		for _, line := range strings.Fields(string(raw)) {
			k, v, _ := strings.Cut(line, "=")
			j.values["steps."+s.ID+".outputs."+k] = v
		}
	}
	return log, failed
}

func newJob(t *testing.T, dir, base string) *job {
	return &job{t: t, dir: dir, temp: t.TempDir(), values: map[string]string{
		"github.event.pull_request.base.sha": base, "github.event.pull_request.number": "7", "github.token": "none",
	}}
}

// program writes an executable into dir.
func program(t *testing.T, dir, name, script string) {
	t.Helper()
	require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/bash\n"+script), 0o755))
}

// The steps run with stand-ins for go, git, gh and the builds: what is tested is the
// workflow's own logic, which verdict becomes which outcome, and one comment.
func TestTheWorkflowForUsers(t *testing.T) {
	if _, err := exec.LookPath("bash"); err != nil {
		t.Skip("no bash")
	}
	steps := workflowSteps(t)
	for code, want := range map[string]struct{ failed, said string }{
		"0": {"", ""}, "12": {"", "::warning::orbitbench could decide no gated figure"}, "10": {"verdict", "::error::orbitbench found a regression"},
		"11": {"verdict", "::error::orbitbench found a lost lease"}, "1": {"verdict", "::error::orbitbench failed (exit 1)"},
	} {
		for _, commented := range []string{"", "4711"} {
			dir, bin := t.TempDir(), t.TempDir()
			j := newJob(t, dir, "abc")
			j.env = []string{"PATH=" + bin + ":" + os.Getenv("PATH"), "LOG=" + filepath.Join(dir, "calls"), "CODE=" + code, "COMMENT=" + commented}
			program(t, bin, "git", `echo "git $*" >> "$LOG"`)
			program(t, bin, "gh", `echo "gh $*" >> "$LOG"; case "$*" in *--paginate*) echo "$COMMENT" ;; esac`)
			program(t, bin, "go", `echo "go $*" >> "$LOG"
while [ "$1" != -o ]; do shift; done
cat > "$2" <<'END'
#!/bin/bash
echo "orbitbench $*" >> "$LOG"
if [ "$1" = pair ]; then echo "### orbitbench: a verdict"; exit "$CODE"; fi
END
chmod +x "$2"`)
			log, failed := j.run(steps)
			require.Equal(t, want.failed, failed, log)
			require.Contains(t, log, want.said)
			raw, err := os.ReadFile(filepath.Join(dir, "calls"))
			require.NoError(t, err)
			calls := string(raw)
			require.Contains(t, calls, "git worktree add "+j.temp+"/tree abc")
			require.Regexp(t, `orbitbench pair \S+/base \S+/head --out runs/pr --format markdown -- --profile ci`, calls)
			method := "--method POST repos/o/r/issues/7/comments"
			if commented != "" {
				method = "--method PATCH repos/o/r/issues/comments/4711"
			}
			require.Equal(t, 1, strings.Count(calls, "--method"), calls)
			require.Contains(t, calls, method)
			body, err := os.ReadFile(filepath.Join(dir, "body.md"))
			require.NoError(t, err)
			require.Equal(t, "### orbitbench: a verdict\n<!-- orbitbench -->\n", string(body))
			summary, err := os.ReadFile(filepath.Join(j.temp, "summary.md"))
			require.NoError(t, err)
			require.Contains(t, string(summary), "a verdict")
		}
	}
}

// ORBITBENCH_WORKFLOW=1 carries the steps out for real, in a clean clone against
// HEAD~1, with gh as the only stand-in: two builds, 7 trials each, some minutes.
func TestTheWorkflowForReal(t *testing.T) {
	if os.Getenv("ORBITBENCH_WORKFLOW") == "" {
		t.Skip("takes minutes and a quiet machine: set ORBITBENCH_WORKFLOW=1")
	}
	dir, bin := filepath.Join(t.TempDir(), "clone"), t.TempDir()
	said, err := exec.Command("git", "clone", "-q", filepath.Join("..", ".."), dir).CombinedOutput()
	require.NoError(t, err, string(said))
	base, err := exec.Command("git", "-C", dir, "rev-parse", "HEAD~1").Output()
	require.NoError(t, err)
	program(t, bin, "gh", `case "$*" in *--method*) cat body.md ;; esac`)
	j := newJob(t, dir, strings.TrimSpace(string(base)))
	j.env = []string{"PATH=" + bin + ":" + os.Getenv("PATH")}
	log, failed := j.run(workflowSteps(t))
	t.Log(log)
	require.Empty(t, failed)
	comment, err := os.ReadFile(filepath.Join(dir, "comment.md"))
	require.NoError(t, err)
	require.Regexp(t, `^### orbitbench: (NO REGRESSION|NOT DECIDED)`, string(comment))
	require.FileExists(t, filepath.Join(dir, "runs", "pr", "head", "report", "index.html"))
	junit, err := os.ReadFile(filepath.Join(dir, "junit.xml"))
	require.NoError(t, err)
	require.Contains(t, string(junit), "<testsuite")
}
