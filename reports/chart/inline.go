package chart

import (
	"bytes"
	"fmt"
	"html"
	"regexp"
	"strings"
)

// Within a page a figure takes its colours from custom properties, one for each
// colour of the light palette and named after it, so that the page can show it
// in dark. The engines of the palette keep the dark colours that were chosen with it to
// be told apart under simulated deuteranopia and protanopia; contrasts are tested.

// tone is a colour of the light palette and its counterpart in dark.
type tone struct{ light, dark uint32 }

var tones = []tone{
	{0x222222, 0xE6E8EB}, {0x666666, 0xA3ABB5}, {0x9A9A9A, 0x6B7480}, {0xE4E4E4, 0x2A3139}, {0xF0F0F0, 0x1F262E},
	{0xD6D6D6, 0x39424C}, {0x555555, 0xB4BCC6}, {0xFFFFFF, 0x14181D},
}

// engineTones are the inks of the engines, and those of their labels, which need
// more contrast.
var engineTones = []struct{ light, dark, label uint32 }{
	{0x332288, 0x7F8CFF, 0x9AA4FF}, {0xC98500, 0xF0D070, 0xF0D070}, {0x117733, 0x1F8A4C, 0x53C487}, {0xAA3377, 0xB8458C, 0xE58AC2},
	{0xEE6677, 0xFF9F9F, 0xFF9F9F}, {0x2E9BD6, 0x9FE0FF, 0x9FE0FF}, {0x5E5E5E, 0xA0A0A0, 0xB8B8B8}, {0x8C8C8C, 0x8C8C8C, 0xA8A8A8},
	{0x747474, 0x929292, 0xB0B0B0}, {0x3C3C3C, 0xD0D0D0, 0xD0D0D0},
}

// marks are what a page adds to the palette: judgements, focus and a target.
const (
	lightMarks = "--good:#1B7F3B;--doubt:#8A5A00;--bad:#B3261E;--focus:#2A5DB0;--mark:#FFF3C4"
	darkMarks  = "--good:#4CC27A;--doubt:#E0B050;--bad:#FF8A80;--focus:#8AB4FF;--mark:#3A3416"
)

func allTones() []tone {
	all := tones
	for _, e := range engineTones {
		dark := Style{Ink: rgb(e.light)}.Dark()
		all = append(all[:len(all):len(all)], tone{e.light, e.dark}, tone{uint32(dark.R)<<16 | uint32(dark.G)<<8 | uint32(dark.B), e.label})
	}
	return all
}

// Palette is the style sheet of the colours: light, and dark where the reader's
// system or the page's data-theme asks for it, never on paper. It has a class
// e-NAME for the ink of each engine.
func Palette(engines []string) string {
	var light, dark strings.Builder
	for _, t := range allTones() {
		fmt.Fprintf(&light, "--c-%06X:#%06X;", t.light, t.light)
		fmt.Fprintf(&dark, "--c-%06X:#%06X;", t.light, t.dark)
	}
	light.WriteString(lightMarks + ";color-scheme:light")
	dark.WriteString(darkMarks + ";color-scheme:dark")
	var b strings.Builder
	fmt.Fprintf(&b, ":root{%s}\n@media screen{:root[data-theme=dark]{%s}}\n@media screen and (prefers-color-scheme:dark){:root:not([data-theme=light]){%s}}\n", &light, &dark, &dark)
	looks := Styles(engines)
	for _, name := range engines {
		ink := looks[name].Ink
		fmt.Fprintf(&b, ".e-%s{color:var(--c-%02X%02X%02X)}\n", className(name), ink.R, ink.G, ink.B)
	}
	return b.String()
}

// className escapes what an identifier of CSS may not hold.
func className(s string) string { return cssSpecial.ReplaceAllString(s, `\$0`) }

var (
	cssSpecial = regexp.MustCompile(`[^A-Za-z0-9_-]`)
	colour     = regexp.MustCompile(`#[0-9A-F]{6}`)
	background = []byte("<rect width=\"100%\" height=\"100%\" fill=\"#FFFFFF\"/>\n")
	typeface   = []byte("font-family:'Liberation Sans',Arial,Helvetica,sans-serif;")
)

// Inline returns the figure as an element of a page, of which id names it: no
// background, its colours custom properties, its typeface the page's.
func (f *Figure) Inline(id string) (string, error) {
	var buf bytes.Buffer
	if err := f.SVG(&buf); err != nil {
		return "", err
	}
	svg := buf.Bytes()
	svg = svg[bytes.Index(svg, []byte("<svg")):]
	svg = bytes.Replace(svg, background, nil, 1)
	svg = bytes.ReplaceAll(svg, typeface, nil)
	for _, idle := range []string{"font-weight:normal;", "font-style:normal;"} {
		svg = bytes.ReplaceAll(svg, []byte(idle), nil)
	}
	known := map[string]bool{}
	for _, t := range allTones() {
		known[fmt.Sprintf("#%06X", t.light)] = true
	}
	svg = colour.ReplaceAllFunc(svg, func(c []byte) []byte {
		if !known[string(c)] {
			return c
		}
		return append([]byte("var(--c-"), append(bytes.Clone(c[1:]), ')')...)
	})
	id = html.EscapeString(id)
	svg = bytes.Replace(svg, []byte(` role="img"`), fmt.Appendf(nil, ` role="img" aria-labelledby="%s-t" aria-describedby="%s-d"`, id, id), 1)
	svg = bytes.Replace(svg, []byte("<title>"), fmt.Appendf(nil, `<title id="%s-t">`, id), 1)
	svg = bytes.Replace(svg, []byte("<desc>"), fmt.Appendf(nil, `<desc id="%s-d">`, id), 1)
	return string(svg), nil
}

// Mark is the glyph of a shape as text, for a page.
func (s Shape) Mark() string {
	return []string{"●", "■", "□", "▲", "△", "○", "◆", "◇", "✕", "+", "▼", "▽"}[s]
}
