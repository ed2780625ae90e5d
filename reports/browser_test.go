package reports

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	cdplog "github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	cdppage "github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"
)

// browser is a page in a headless Chromium, with what it asked for and what it
// complained about.
type browser struct {
	context.Context
	t    *testing.T
	file string

	lock       sync.Mutex
	requests   []string // but the page itself and what it holds
	complaints []string
}

// browserPatience is how long a slow machine may take: it bounds, and nothing is
// judged by it.
const browserPatience = 15 * time.Minute

// openPage renders r and opens it in Chromium; without Chromium the test is skipped.
func openPage(t *testing.T, r *Report, hash string) *browser {
	t.Helper()
	program := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome", "chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			program = path
			break
		}
	}
	if program == "" {
		t.Skip("no chromium in PATH: the page is not tested in a browser")
	}
	b := &browser{t: t, file: filepath.Join(t.TempDir(), htmlFile)}
	require.NoError(t, os.WriteFile(b.file, []byte(render(t, r)), 0o644))
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(program), chromedp.UserDataDir(t.TempDir()), chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.WSURLReadTimeout(browserPatience), chromedp.WindowSize(1280, 900))
	ctx, cancelAll := chromedp.NewExecAllocator(context.Background(), options...)
	t.Cleanup(cancelAll)
	ctx, cancel := chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	ctx, late := context.WithTimeout(ctx, browserPatience)
	t.Cleanup(late)
	b.Context = ctx
	if err := chromedp.Run(ctx); err != nil {
		t.Skipf("%s does not start here: the page is not tested in a browser: %v", program, err)
	}
	chromedp.ListenTarget(ctx, b.listen)
	b.run(network.Enable(), cdplog.Enable(), runtime.Enable(), chromedp.Navigate(b.url(hash)))
	return b
}

func (b *browser) url(hash string) string {
	return (&url.URL{Scheme: "file", Path: b.file}).String() + hash
}

func (b *browser) listen(event any) {
	b.lock.Lock()
	defer b.lock.Unlock()
	switch e := event.(type) {
	case *network.EventRequestWillBeSent:
		if asked := e.Request.URL; !strings.HasPrefix(asked, "data:") && !strings.HasPrefix(asked, "file://"+b.file) {
			b.requests = append(b.requests, asked)
		}
	case *runtime.EventExceptionThrown:
		b.complaints = append(b.complaints, e.ExceptionDetails.Error())
	case *runtime.EventConsoleAPICalled:
		b.complaints = append(b.complaints, string(e.Type))
	case *cdplog.EventEntryAdded:
		b.complaints = append(b.complaints, e.Entry.Text)
	}
}

func (b *browser) run(actions ...chromedp.Action) {
	b.t.Helper()
	require.NoError(b.t, chromedp.Run(b, actions...))
}

// eval returns the value of an expression of the page.
func eval[T any](b *browser, expression string) (v T) {
	b.t.Helper()
	b.run(chromedp.Evaluate(expression, &v))
	return v
}

// quiet fails where the page asked for anything or complained.
func (b *browser) quiet() {
	b.t.Helper()
	b.lock.Lock()
	defer b.lock.Unlock()
	require.Empty(b.t, b.requests, "a request left the page")
	require.Empty(b.t, b.complaints)
}

// rows are the heads of the visible rows of a table.
func (b *browser) rows(table string) []string {
	b.t.Helper()
	return eval[[]string](b, fmt.Sprintf(`[...document.querySelectorAll("%s tbody tr")].filter(r => !r.hidden && r.getClientRects().length).map(r => r.querySelector("th").childNodes[r.querySelector(".glyph") ? 1 : 0].textContent.trim() || r.querySelector("th a").textContent)`, table))
}

func TestInABrowser(t *testing.T) {
	r := rich(t, 3)
	b := openPage(t, r, "")
	syncRows := `table:has(#sync-cowbtree)`

	t.Run("sort", func(t *testing.T) {
		b.t = t
		sort := func(column string) string {
			return eval[string](b, fmt.Sprintf(`(() => { const th = [...document.querySelectorAll("%s thead th:not(.group)")].find(h => h.textContent === %q); th.querySelector("button").click(); return th.getAttribute("aria-sort"); })()`, syncRows, column))
		}
		before := b.rows(syncRows)
		require.Equal(t, "cowbtree", before[0])
		require.Equal(t, "ascending", sort("p99.9"))
		up := b.rows(syncRows)
		require.Equal(t, "appendlog", up[0])
		require.Equal(t, "memory", up[len(up)-1], "a row without a figure is last")
		require.Equal(t, "descending", sort("p99.9"))
		down := b.rows(syncRows)
		require.Equal(t, "bbolt", down[0])
		require.Equal(t, "memory", down[len(down)-1])
		require.Equal(t, 1, eval[int](b, fmt.Sprintf(`document.querySelectorAll("%s th[aria-sort=ascending], %s th[aria-sort=descending]").length`, syncRows, syncRows)))
		require.Equal(t, "ascending", sort("engine"))
		require.Equal(t, "actorstore", b.rows(syncRows)[0])
	})

	t.Run("filter", func(t *testing.T) {
		b.t = t
		b.run(chromedp.Click(`#filter input[value=bbolt]`, chromedp.ByQuery))
		require.NotContains(t, b.rows(syncRows), "bbolt")
		require.NotContains(t, b.rows("#ranking"), "bbolt")
		require.Contains(t, eval[string](b, `location.hash`), "hide=bbolt")
		b.run(chromedp.Click(`#all`, chromedp.ByQuery))
		require.Contains(t, b.rows(syncRows), "bbolt")
		require.Empty(t, eval[string](b, `location.hash`))
	})

	t.Run("chooser agrees with Go", func(t *testing.T) {
		b.t = t
		choice := r.choice()
		for _, weights := range [][]float64{nil, {1, 0, 0, 0, 0, 0, 0, 0}, {0, 0, 5, 0, 0, 0, 0, 10}, {2, 3, 1, 7, 0, 4, 1, 5}} {
			if weights == nil {
				for _, c := range choice.Components {
					weights = append(weights, c.Weight)
				}
			}
			require.Len(t, weights, len(choice.Components))
			for i, c := range choice.Components {
				eval[bool](b, fmt.Sprintf(`(() => { const e = document.getElementById("w-%s"); e.value = %g; e.dispatchEvent(new Event("input", {bubbles: true})); return true; })()`, c.Key, weights[i]))
			}
			for _, class := range choice.Classes {
				b.run(chromedp.Click(fmt.Sprintf(`#chooser input[value=%q]`, class.Name), chromedp.ByQuery))
				ranking, excluded := class.rank(choice.Components, weights)
				if len(ranking) == 0 {
					continue
				}
				var names, scores []string
				for _, s := range ranking {
					names, scores = append(names, s.engine.Name), append(scores, ratioText(s.score))
				}
				require.Equal(t, names, b.rows("#ranking"), "%v %s", weights, class.Name)
				require.Equal(t, scores, eval[[]string](b, `[...document.querySelectorAll("#ranking tbody tr")].map(r => r.children[2].firstChild.textContent)`))
				require.Equal(t, class.flips(choice.Components, weights, ranking), eval[[]string](b, `[...document.querySelectorAll("#flips li")].map(l => l.textContent)`), "%v %s", weights, class.Name)
				require.Equal(t, excluded, eval[[]string](b, `[...document.querySelectorAll("#excluded li")].map(l => l.textContent)`))
			}
		}
	})

	t.Run("hard limits", func(t *testing.T) {
		b.t = t
		b.run(chromedp.Click(`#chooser input[value=sync]`, chromedp.ByQuery), chromedp.Click(`#reset`, chromedp.ByQuery), chromedp.Click(`#nocgo`, chromedp.ByQuery))
		require.NotContains(t, b.rows("#ranking"), "rocksdb")
		b.run(chromedp.SetValue(`#m-recovery`, "0.3", chromedp.ByQuery))
		eval[bool](b, `document.getElementById("m-recovery").dispatchEvent(new Event("input", {bubbles: true}))`)
		require.NotContains(t, b.rows("#ranking"), "cowbtree", "it takes 435 ms")
		require.Contains(t, eval[string](b, `document.getElementById("excluded").textContent`), "cowbtree is above a limit: recovery time 0.43")
	})

	t.Run("the address holds the state", func(t *testing.T) {
		b.t = t
		hash := eval[string](b, `location.hash`)
		want := b.rows("#ranking")
		b.run(chromedp.Navigate("about:blank"), chromedp.Navigate(b.url(hash)))
		require.Equal(t, want, b.rows("#ranking"))
		require.True(t, eval[bool](b, `document.getElementById("nocgo").checked`))
		// An address that somebody made up breaks nothing.
		b.run(chromedp.Navigate("about:blank"), chromedp.Navigate(b.url("#w=x,-1,999&class=%3Cb%3E&hide=nobody&max=a&theme=pink")))
		require.NotEmpty(t, b.rows("#ranking"))
		b.run(chromedp.Navigate("about:blank"), chromedp.Navigate(b.url("#engine-rocksdb")))
		require.True(t, eval[bool](b, `document.getElementById("engine-rocksdb").closest("details").open`), "a link into a folded part opens it")
	})
	b.t = t
	b.quiet()
}

func TestDarkPrintAndPhone(t *testing.T) {
	b := openPage(t, rich(t, 3), "")
	background := func() string { return eval[string](b, `getComputedStyle(document.body).backgroundColor`) }
	require.Equal(t, "rgb(255, 255, 255)", background())
	dark := &emulation.MediaFeature{Name: "prefers-color-scheme", Value: "dark"}
	b.run(emulation.SetEmulatedMedia().WithFeatures([]*emulation.MediaFeature{dark}))
	require.Equal(t, "rgb(20, 24, 29)", background())
	require.Equal(t, "rgb(127, 140, 255)", eval[string](b, `getComputedStyle(document.querySelector(".e-cowbtree")).color`))
	b.run(chromedp.Click(`#theme`, chromedp.ByQuery))
	require.Equal(t, "rgb(255, 255, 255)", background(), "the reader's choice stands over the system's")
	b.run(chromedp.Click(`#theme`, chromedp.ByQuery))
	require.Equal(t, "rgb(20, 24, 29)", background())

	b.run(emulation.SetEmulatedMedia().WithMedia("print").WithFeatures([]*emulation.MediaFeature{dark}))
	require.Equal(t, "rgb(255, 255, 255)", background(), "paper is white")
	require.Equal(t, "none", eval[string](b, `getComputedStyle(document.getElementById("filter")).display`))
	var paper []byte
	b.run(chromedp.ActionFunc(func(ctx context.Context) (err error) {
		paper, _, err = cdppage.PrintToPDF().Do(ctx)
		return err
	}))
	require.Equal(t, "%PDF", string(paper[:4]))
	keepPicture(t, "print.pdf", paper)

	b.run(emulation.SetEmulatedMedia(), chromedp.EmulateViewport(390, 844, chromedp.EmulateMobile))
	require.LessOrEqual(t, eval[int](b, `document.documentElement.scrollWidth`), 390, "nothing is wider than a phone: wide tables scroll by themselves")
	b.shoot("phone.png")
	b.run(chromedp.EmulateViewport(1280, 900))
	b.shoot("dark.png")
	b.run(chromedp.Click(`#theme`, chromedp.ByQuery))
	b.shoot("light.png")
	b.quiet()
}

// shoot takes the whole page, if PICTURES says where to keep it.
func (b *browser) shoot(name string) {
	if os.Getenv("PICTURES") == "" {
		return
	}
	var png []byte
	b.run(chromedp.FullScreenshot(&png, 100))
	keepPicture(b.t, name, png)
}

// keepPicture writes a picture into the directory PICTURES, to be looked at.
func keepPicture(t *testing.T, name string, content []byte) {
	if dir := os.Getenv("PICTURES"); dir != "" {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), content, 0o644))
	}
}

// Without JavaScript every figure is there, the ranking too, and no control that does nothing.
func TestThePageReadsWithoutScript(t *testing.T) {
	b := openPage(t, rich(t, 3), "")
	b.run(emulation.SetScriptExecutionDisabled(true), chromedp.Navigate("about:blank"), chromedp.Navigate(b.url("")))
	var text, shown string
	b.run(chromedp.Text(`#ranking`, &text, chromedp.ByQuery), chromedp.Text(`body`, &shown, chromedp.ByQuery))
	require.Contains(t, text, "appendlog")
	require.Contains(t, text, "The ranking flips")
	require.NotContains(t, shown, "Engines shown in the tables")
	b.quiet()
}

// The checks themselves: a page that asks or complains is caught.
func TestABrowserCatchesRequestsAndErrors(t *testing.T) {
	b := openPage(t, rich(t, 1), "")
	raw, err := os.ReadFile(b.file)
	require.NoError(t, err)
	open := strings.Replace(string(raw), "</body>", `<script>fetch("http://127.0.0.1:9/x").catch(() => {}); console.error("no"); nothing();</script></body>`, 1)
	require.NoError(t, os.WriteFile(b.file, []byte(open), 0o644))
	b.run(chromedp.Reload(), chromedp.Evaluate(`1`, nil))
	for _, want := range []string{"nothing is not defined", "Content Security Policy"} { // the page's own policy refuses the request
		require.Eventually(t, func() bool {
			b.lock.Lock()
			defer b.lock.Unlock()
			said, err := json.Marshal(b.complaints)
			return err == nil && strings.Contains(string(said), want)
		}, browserPatience, 10*time.Millisecond, want)
	}
}
