package reports

import (
	"bytes"
	"html"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"orbitbench/harness/result"
)

// pageLimit is what the page may take, so that it can be sent to somebody.
const pageLimit = 1 << 20

func render(t testing.TB, r *Report) string {
	t.Helper()
	var b bytes.Buffer
	require.NoError(t, r.HTML(&b))
	return b.String()
}

// rich is a run with every engine, several trials and troubles.
func rich(t testing.TB, trials int) *Report {
	t.Helper()
	return load(t, writeRun(t, []string{"appendlog", "actorstore", "cowbtree", "mmapwal", "rocksdb", "pebble", "bbolt", "memory"}, trials, nil, func(r *result.Run) {
		r.Doctor = []result.Finding{{Check: "load", Status: result.FindingWarn, Found: "load average 3.09 on 2 processors", Remedy: "stop what runs beside it"}}
		for _, e := range r.Engines {
			r.DurabilityChecks = append(r.DurabilityChecks, result.Durability{Engine: e.Name, Durability: "sync", Class: "sync", Verdict: result.DurabilityProven,
				Phases: []result.DurabilityPhase{{Writers: 1, SyncsPerAck: 1}, {Writers: 8, SyncsPerAck: .2}}})
		}
	}))
}

var (
	anIDOf  = regexp.MustCompile(` id="([^"]*)"`)
	aHref   = regexp.MustCompile(` href="([^"]*)"`)
	aSource = regexp.MustCompile(`(?i)(src|srcset|action|xlink:href|@import|url\()\s*=?\s*["'(]?(https?:|//)`)
)

func TestThePageHoldsEverythingAndAsksForNothing(t *testing.T) {
	text := render(t, rich(t, 3))
	require.Less(t, len(text), pageLimit)
	require.NotContains(t, text, "NaN")
	require.NotContains(t, text, "%!")
	require.NotContains(t, text, "ZgotmplZ", "html/template refused a value")
	require.Empty(t, aSource.FindString(text))
	for _, id := range []string{"verdict", "validity", "claims", "comparison", "percentiles", "capacity", "timeline", "recovery", "resources", "crash", "chooser-section", "caveats", "environment", "glossary"} {
		require.Contains(t, text, ` id="`+id+`"`)
	}
	require.Contains(t, text, "not tested</strong> in this run. Run <code>orbitbench crash</code>")
	require.Contains(t, text, "orbitbench run --profile quick")
}

// Every sentence of the verdict, of the decision and of the alarms leads to a row
// of a table at least, unless it names nothing that has one: then to the table.
func TestEverySentenceLeadsToItsCells(t *testing.T) {
	aRow := regexp.MustCompile(`<(?:tr|table|h3)[^>]* id="([^"]*)"`)
	for name, r := range map[string]*Report{"look": rich(t, 1), "rich": rich(t, 8), "troubled": troubled(t)} {
		text := render(t, r)
		ids := map[string]bool{}
		for _, m := range aRow.FindAllStringSubmatch(text, -1) {
			ids[m[1]] = true
		}
		p, err := r.page()
		require.NoError(t, err)
		require.NotEmpty(t, p.Lead)
		for _, said := range slices.Concat(p.Lead, p.Decision, p.Alarms) {
			if strings.HasPrefix(string(said), "The run was interrupted") {
				continue
			}
			found := false
			for _, m := range aHref.FindAllStringSubmatch(string(said), -1) {
				found = found || ids[strings.TrimPrefix(html.UnescapeString(m[1]), "#")]
			}
			require.True(t, found, "%s: no link to a cell: %s", name, said)
		}
	}
}

// Every sentence leads to its cells: no link leads nowhere, no anchor is there twice.
func TestEveryLinkLeadsSomewhere(t *testing.T) {
	for name, r := range map[string]*Report{"rich": rich(t, 3), "troubled": troubled(t)} {
		text := render(t, r)
		ids := map[string]bool{}
		for _, m := range anIDOf.FindAllStringSubmatch(text, -1) {
			require.False(t, ids[m[1]], "%s: %s stands twice", name, m[1])
			ids[m[1]] = true
		}
		links := 0
		for _, m := range aHref.FindAllStringSubmatch(text, -1) {
			if anchor, ok := strings.CutPrefix(html.UnescapeString(m[1]), "#"); ok {
				require.True(t, ids[anchor], "%s: nothing at #%s", name, anchor)
				links++
			}
		}
		require.Greater(t, links, 40)
	}
}

func TestThePageIsAccessible(t *testing.T) {
	text := render(t, rich(t, 3))
	require.Equal(t, strings.Count(text, "<table"), strings.Count(text, "<caption>"))
	require.NotRegexp(t, `<th[ >](?:[^>]*)>`, regexp.MustCompile(`<th [^>]*scope="[^>]*>`).ReplaceAllString(text, ""), "a head without its scope")
	require.Equal(t, strings.Count(text, "<svg"), strings.Count(text, `role="img" aria-labelledby=`))
	require.Contains(t, text, `<html lang="en">`)
}

func TestColoursOfThePageComeFromThePalette(t *testing.T) {
	text := render(t, rich(t, 1))
	for _, svg := range regexp.MustCompile(`(?s)<svg.*?</svg>`).FindAllString(text, -1) {
		require.Empty(t, regexp.MustCompile(`#[0-9A-Fa-f]{6}`).FindString(svg), "a colour that dark cannot change")
	}
}

func TestTextFromOutsideIsNoMarkup(t *testing.T) {
	const nasty = `</script><script>alert(1)</script><img src=x onerror=alert(2)>`
	r := load(t, writeRun(t, []string{"appendlog", "pebble", "rocksdb"}, 1, func(c *result.Cell) bool {
		c.Warnings = []string{nasty}
		if c.Engine == "pebble" {
			c.Status, c.Reason = result.Failed, nasty
		}
		return true
	}, func(run *result.Run) {
		run.CommandLine = append(run.CommandLine, nasty)
		run.Tool.Commit, run.Environment.CPUModel, run.Engines[0].Title, run.Engines[0].Summary = nasty, nasty, nasty, nasty
	}))
	text := render(t, r)
	require.NotContains(t, text, "<script>alert")
	require.NotContains(t, text, "<img")
	require.Equal(t, 2, strings.Count(text, "</script>"))
}

func TestSentencesLinkTheirEngines(t *testing.T) {
	got := link("rocksdb+batch beats rocksdb, not rocksdbx <", []string{"rocksdb", "rocksdb+batch"}, map[string]string{"rocksdb": "#a", "rocksdb+batch": "#b"})
	require.Equal(t, `<a href="#b">rocksdb+batch</a> beats <a href="#a">rocksdb</a>, not rocksdbx &lt;`, string(got))
}

func TestFiguresSortAsTheyRead(t *testing.T) {
	for text, want := range map[string]float64{"1.20 ms (1.1-1.3 ms)": 1.2e6, "60.1 k": 60100, "9.2x": 9.2, "212 MB": 212e6, ">5.00 us": 5000, "1.89 ms*": 1.89e6, "12/12": 12, "1.2 k/s": 1200, "4 B": 4} {
		v, ok := measure(text)
		require.True(t, ok, text)
		require.InEpsilon(t, want, v, 1e-9, text)
	}
	for _, text := range []string{"-", "", "no", "skipped"} {
		_, ok := measure(text)
		require.False(t, ok, text)
	}
}

func TestValidityNamesWhatIsWrong(t *testing.T) {
	states := func(r *Report) map[string]string {
		out := map[string]string{}
		for _, c := range r.validity() {
			out[c.Name] = c.State
			require.NotEmpty(t, c.Text)
		}
		return out
	}
	fine := states(rich(t, 3))
	require.Equal(t, isGood, fine["Syncs are honest"])
	require.Equal(t, isGood, fine["The offered rate was kept"])
	require.Equal(t, isGood, fine["Nothing acknowledged was lost"])
	require.Equal(t, isOpen, fine["Crash states of the device"])
	require.Equal(t, isDoubt, fine["The machine"])
	wrong := states(troubled(t))
	require.Equal(t, isDoubt, wrong["The offered rate was kept"])
	require.Equal(t, isBad, wrong["Nothing acknowledged was lost"])
	require.Equal(t, isDoubt, wrong["Noise from trial to trial"])
	require.Equal(t, isOpen, wrong["Syncs are honest"])
	early := load(t, writeRun(t, []string{"appendlog"}, 1, nil, func(r *result.Run) {
		r.DurabilityChecks = []result.Durability{{Engine: "appendlog", Durability: "sync", Verdict: result.DurabilityEarly}}
	}))
	require.Equal(t, isBad, states(early)["Syncs are honest"])
	require.Contains(t, render(t, early), "acknowledges before the promise of its class.")
}

func TestDecisionFollowsTheFigures(t *testing.T) {
	three := []string{"cowbtree", "mmapwal", "rocksdb"}
	answer := func(trials int, edit func(*result.Cell) bool) string {
		r := load(t, writeRun(t, three, trials, edit, nil))
		c := r.decision()
		require.NotEmpty(t, c)
		require.Equal(t, "sync", c[0].block.durability, "the strongest class decides")
		return c[0].text
	}
	require.Equal(t, "Not decided: one trial. What the figures point to is a look, and no result.", answer(1, nil))
	require.Contains(t, answer(6, nil), "Not decided: 6 trials of the 7 that it takes.")
	require.Regexp(t, "^No choice is best in everything: cowbtree leads or is not told from the leader in .*memory per M leases and is worse in .*rocksdb is worse in", answer(8, nil))
	lean := func(c *result.Cell) bool {
		if c.Engine == "mmapwal" && c.Resources != nil {
			c.Resources.Memory.ResidentBytes = c.Resources.Memory.HarnessBytes + 6e6
		}
		return true
	}
	require.Equal(t, "The answer is mmap + WAL (mmapwal): best, or not told apart from the best, in every figure that decides.", answer(8, lean))

	worse := func(f float64, engines ...string) func(*result.Cell) bool {
		return func(c *result.Cell) bool {
			for _, e := range engines {
				if c.Engine != e {
					continue
				}
				if c.Recovery != nil {
					for i := range c.Recovery.Repetitions {
						c.Recovery.Repetitions[i].FirstReadNs = int64(f * float64(c.Recovery.Repetitions[i].FirstReadNs))
					}
				}
			}
			return true
		}
	}
	require.Contains(t, answer(8, worse(100, "mmapwal")), "No choice is best in everything")

	alone := load(t, writeRun(t, []string{"cowbtree", "pebble"}, 3, nil, nil))
	require.Nil(t, alone.decision(), "one of the three is no choice")
}

func TestRanksByWeights(t *testing.T) {
	v := func(values ...float64) (out []*float64) {
		for _, f := range values {
			if f == 0 {
				out = append(out, nil)
				continue
			}
			out = append(out, &f)
		}
		return out
	}
	parts := []choiceComponent{{Key: "a", Name: "a"}, {Key: "b", Name: "b"}}
	c := choiceClass{Best: v(1, 1), Engines: []choiceEngine{
		{Name: "x", Values: v(1, 4), Low: v(1, 4), High: v(1, 4)},
		{Name: "y", Values: v(2, 1), Low: v(2, 1), High: v(2, 1)},
		{Name: "z", Values: v(1, 0), Low: v(1, 0), High: v(1, 0)},
	}}
	ranking, excluded := c.rank(parts, []float64{1, 1})
	require.Equal(t, []string{"z has no figure for b"}, excluded)
	require.Equal(t, "y", ranking[0].engine.Name)
	require.InDelta(t, 1.41421, ranking[0].score, 1e-4)
	require.InDelta(t, 2, ranking[1].score, 1e-9)
	// log 4 = 2 log 2: x comes first where the weight of a is above twice that of b.
	require.Equal(t, []string{"The ranking flips to x when the weight of a > 2.00.", "The ranking flips to x when the weight of b < 0.50."}, c.flips(parts, []float64{1, 1}, ranking))
	ranking, excluded = c.rank(parts, []float64{1, 0})
	require.Len(t, ranking, 3, "a component without weight is not missed")
	require.Empty(t, excluded)
	ranking, _ = c.rank(parts, []float64{0, 0})
	require.Empty(t, ranking)
	// Baselines and who lost data never come in.
	for _, class := range rich(t, 3).choice().Classes {
		for _, e := range class.Engines {
			require.NotEqual(t, "memory", e.Name)
		}
	}
	require.Nil(t, load(t, writeRun(t, []string{"appendlog"}, 1, nil, nil)).choice())
}
