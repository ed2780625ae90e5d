package compare

import (
	"fmt"
	"io"
	"strings"
)

const (
	movedRows    = 10        // above the fold of the Markdown
	markdownRoom = 60 * 1024 // a comment may have 64 KB
)

// Markdown writes the result as a comment on a pull request: the verdict, at most
// ten rows that moved, the rest folded, environment and command. It stays below
// 64 KB. Its only errors are those of w.
func (r *Result) Markdown(w io.Writer) error {
	var out strings.Builder
	fmt.Fprintf(&out, "### orbitbench: %s\n\n", cell(r.Verdict))
	for _, v := range r.Violations {
		fmt.Fprintf(&out, "- **VIOLATION** %s\n", cell(v))
	}
	for _, d := range r.Forced {
		fmt.Fprintf(&out, "- **FORCED** %s\n", cell(d))
	}
	var moved, rest []*Row
	for i := range r.Rows {
		row := &r.Rows[i]
		if row.Gated && (row.Verdict == Worse || row.Verdict == Better) && len(moved) < movedRows {
			moved = append(moved, row)
		} else {
			rest = append(rest, row)
		}
	}
	if len(moved) > 0 {
		out.WriteString("\n")
		table(&out, moved, markdownRoom)
	} else {
		out.WriteString("No gated figure moved.\n")
	}
	tail := r.tail()
	if len(rest) > 0 {
		fmt.Fprintf(&out, "\n<details><summary>%d further figures</summary>\n\n", len(rest))
		if left := table(&out, rest, markdownRoom-out.Len()-len(tail)); left > 0 {
			fmt.Fprintf(&out, "\n%d more did not fit here; `orbitbench compare --format json` has all of them.\n", left)
		}
		out.WriteString("\n</details>\n")
	}
	out.WriteString(tail)
	_, err := io.WriteString(w, out.String())
	return err
}

// table writes rows as long as they fit into room and returns how many did not.
func table(out *strings.Builder, rows []*Row, room int) (left int) {
	begin := out.Len()
	out.WriteString("| verdict | cell | figure | base | head | change (95% interval) | p | noise | |\n|---|---|---|---:|---:|---:|---:|---:|---|\n")
	for i, row := range rows {
		verdict := row.Verdict
		if verdict == Worse {
			verdict = "**worse**"
		}
		line := fmt.Sprintf("| %s | %s %s %s | %s | %s | %s | %s | %s | %s | %s |\n", verdict, cell(row.Engine), cell(row.Workload), cell(row.Durability), cell(row.Figure),
			row.baseText(), row.headText(), row.change(), row.p(), row.noise(), cell(row.Why))
		if out.Len()-begin+len(line) > room {
			return len(rows) - i
		}
		out.WriteString(line)
	}
	return 0
}

// cell makes text fit for a table.
func cell(text string) string {
	text = strings.Join(strings.Fields(text), " ")
	text = strings.NewReplacer("|", `\|`, "<", "&lt;", ">", "&gt;").Replace(text)
	if r := []rune(text); len(r) > 300 {
		return string(r[:297]) + "..."
	}
	return text
}

func (r *Result) tail() string {
	var out strings.Builder
	out.WriteString("\n")
	for _, n := range r.Notes {
		fmt.Fprintf(&out, "- %s\n", cell(n))
	}
	e := r.Environment
	fmt.Fprintf(&out, "\n%s\n\n<sub>%s, %d processors, %s, %s on %s (%s)<br>base %s<br>head %s<br><code>%s</code></sub>\n", r.rule(),
		cell(e.CPUModel), e.CPUs, cell(e.OS+" "+e.Kernel), cell(e.FileSystem), cell(e.Device), cell(e.WriteCache), cell(r.Base.String()), cell(r.Head.String()), cell(r.Head.Command))
	return out.String()
}
