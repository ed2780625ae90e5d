package compare

import (
	"encoding/xml"
	"fmt"
	"io"
)

// The elements of a JUnit report that test displays read.
type (
	junitSuites struct {
		XMLName  xml.Name     `xml:"testsuites"`
		Name     string       `xml:"name,attr"`
		Tests    int          `xml:"tests,attr"`
		Failures int          `xml:"failures,attr"`
		Skipped  int          `xml:"skipped,attr"`
		Suites   []junitSuite `xml:"testsuite"`
	}
	junitSuite struct {
		Name     string      `xml:"name,attr"`
		Tests    int         `xml:"tests,attr"`
		Failures int         `xml:"failures,attr"`
		Skipped  int         `xml:"skipped,attr"`
		Cases    []junitCase `xml:"testcase"`
	}
	junitCase struct {
		Class   string        `xml:"classname,attr"`
		Name    string        `xml:"name,attr"`
		Failure *junitMessage `xml:"failure,omitempty"`
		Skipped *junitMessage `xml:"skipped,omitempty"`
		Output  string        `xml:"system-out,omitempty"`
	}
	junitMessage struct {
		Message string `xml:"message,attr"`
	}
)

// JUnit writes the gated figures as tests: worse fails, inconclusive is skipped.
// A violation is a failed test of its own.
func (r *Result) JUnit(w io.Writer) error {
	suite := junitSuite{Name: "compare"}
	for i := range r.Rows {
		row := &r.Rows[i]
		if !row.Gated {
			continue
		}
		said := fmt.Sprintf("%s to %s, %s, p %s, noise %s", row.baseText(), row.headText(), row.change(), row.p(), row.noise())
		c := junitCase{Class: row.Engine + "." + row.Workload + "." + row.Durability, Name: row.Figure, Output: row.Verdict + ": " + said}
		switch row.Verdict {
		case Worse:
			if row.Why != "" {
				said += ": " + row.Why
			}
			c.Failure = &junitMessage{"worse: " + said}
			suite.Failures++
		case Inconclusive:
			c.Skipped = &junitMessage{"inconclusive: " + row.Why}
			suite.Skipped++
		}
		suite.Cases = append(suite.Cases, c)
	}
	for _, v := range r.Violations {
		suite.Cases = append(suite.Cases, junitCase{Class: "correctness", Name: v, Failure: &junitMessage{v}})
		suite.Failures++
	}
	suite.Tests = len(suite.Cases)
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return err
	}
	enc := xml.NewEncoder(w)
	enc.Indent("", "  ")
	if err := enc.Encode(junitSuites{Name: "orbitbench: " + r.Verdict, Tests: suite.Tests, Failures: suite.Failures, Skipped: suite.Skipped, Suites: []junitSuite{suite}}); err != nil {
		return err
	}
	_, err := io.WriteString(w, "\n")
	return err
}
