package reports

import (
	"fmt"
	"html/template"
	"regexp"
	"slices"
	"strings"
)

// linked makes a sentence of text in which every engine's name leads to its
// figures in the block, and the whole to the block's table.
func (r *Report) linked(text string, b *block) template.HTML {
	if b == nil {
		return template.HTML(template.HTMLEscapeString(text))
	}
	var names []string
	href := map[string]string{}
	for _, row := range b.rows {
		if row.engine.Role != "baseline" { // never ranked, and one of them is called memory
			names = append(names, row.name())
			href[row.name()] = "#" + r.anchor(b, row)
		}
	}
	return link(text, names, href) + template.HTML(fmt.Sprintf(` <a class="cells" href="#%s">cells</a>`, r.blockAnchor(b)))
}

// link escapes text and makes links of names in it, the longest name first where
// one begins with another.
func link(text string, names []string, href map[string]string) template.HTML {
	slices.SortFunc(names, func(x, y string) int { return len(y) - len(x) })
	var quoted []string
	for _, n := range names {
		quoted = append(quoted, regexp.QuoteMeta(n))
	}
	if len(quoted) == 0 {
		return template.HTML(template.HTMLEscapeString(text))
	}
	word := regexp.MustCompile(`(^|[^\w+-])(` + strings.Join(quoted, "|") + `)($|[^\w+-])`)
	var out strings.Builder
	for {
		at := word.FindStringSubmatchIndex(text)
		if at == nil {
			break
		}
		name := text[at[4]:at[5]]
		out.WriteString(template.HTMLEscapeString(text[:at[4]]))
		fmt.Fprintf(&out, `<a href="%s">%s</a>`, template.HTMLEscapeString(href[name]), template.HTMLEscapeString(name))
		text = text[at[5]:]
	}
	out.WriteString(template.HTMLEscapeString(text))
	return template.HTML(out.String())
}

// lead is the verdict a sentence at a time, the strongest class first, each with
// links to what it stands on.
func (r *Report) lead() []template.HTML {
	var out []template.HTML
	for _, b := range slices.Backward(r.blocks) {
		if b.params == nil && !slices.ContainsFunc(b.rows, func(row *row) bool { return row.planned > 0 }) {
			continue
		}
		out = append(out, r.linked(sentence(r.blockName(b)+": "+b.verdict())+b.typically()+b.besides(), b))
	}
	for _, b := range r.capacityBlocks {
		href := map[string]string{}
		for _, row := range b.rows {
			href[row.engine.Name] = "#" + capacityAnchor(b, row)
		}
		out = append(out, linkedTo("capacity, "+r.capacityVerdict(b), href, "capacity"))
	}
	for _, b := range r.curveBlocks {
		href := map[string]string{}
		for _, p := range b.at {
			href[p.engine.Name] = "#" + curveAnchor(b, p)
		}
		out = append(out, linkedTo(b.verdict(), href, "recovery"))
	}
	if r.crashes != nil {
		out = append(out, linkedTo(r.crashes.verdict(), r.crashes.anchors(), "crash-matrix"))
	}
	if claims := r.Claims(); claims != "" {
		out = append(out, r.linkedClaims(claims))
	}
	if len(out) == 0 {
		out = append(out, template.HTML(template.HTMLEscapeString(sentence("no renewal cell was planned, nothing is ranked"))))
	}
	return out
}

// linkedTo is a sentence in which names lead where href says, and the whole to an
// anchor of the page.
func linkedTo(text string, href map[string]string, anchor string) template.HTML {
	return link(sentence(text), sortedKeys(href), href) + template.HTML(fmt.Sprintf(` <a class="cells" href="#%s">cells</a>`, anchor))
}

// linkedClaims leads from each class that the sentence names to its table of claims.
func (r *Report) linkedClaims(text string) template.HTML {
	href := map[string]string{}
	for _, b := range r.blocks {
		if len(r.claimsPart(b)) > 0 {
			href["under "+r.blockName(b)] = "#" + r.claimsAnchor(b)
		}
	}
	return link(text, sortedKeys(href), href) + template.HTML(` <a class="cells" href="#claims">cells</a>`)
}

// typically says who is first by the p50, "" where nothing could be told of it.
func (b *block) typically() string {
	s := b.typical
	if s == nil || len(s.rows) < 2 || s.undecided() != "" {
		return ""
	}
	level, worse := s.level(), s.worse()
	text := " By the p50 " + s.named(level)
	if len(level) == 1 {
		text += " is first"
	} else {
		text += " are not told apart"
	}
	if len(worse) > 0 {
		text += ", worse " + map[bool]string{true: "is ", false: "are "}[len(worse) == 1] + s.behind(worse) + " (" + s.proof() + ")"
	}
	return text + "."
}

// besides says of the best of the ranked rows what its p99 does not: how it
// recovers, and what it was seen to survive. It is "" where nothing was seen.
func (b *block) besides() string {
	if b.first == nil {
		return ""
	}
	rows := b.first.order()
	v := &rows[0].recovery
	if len(v.firstRead) == 0 {
		return ""
	}
	text := fmt.Sprintf(" After kill -9 %s reads again in %s", rows[0].name(), spread(v.firstRead))
	if v.acknowledged > 0 && v.lost == 0 {
		text += fmt.Sprintf("; nothing acknowledged was lost in %s", plural(len(v.firstRead), "kill"))
	}
	return text + "."
}

// finding is the page's headline: the strongest class with somebody to rank.
func (r *Report) finding() string {
	for _, b := range slices.Backward(r.blocks) {
		rows := b.ranked()
		if len(rows) == 0 {
			continue
		}
		s := b.first
		switch level, worse := s.level(), s.worse(); {
		case len(rows) == 1:
			return fmt.Sprintf("Under %s only %s can be ranked: p99 of renewals %s", b.durability, rows[0].name(), s.metric.show(rows[0]))
		case s.undecided() != "":
			return fmt.Sprintf("A look, not yet a result: the lowest p99 of renewals under %s was %s, %s", b.durability, rows[0].name(), s.metric.show(rows[0]))
		case len(level) == 1:
			return fmt.Sprintf("Under %s %s renews fastest: p99 %s", b.durability, level[0].name(), s.metric.show(level[0]))
		case len(worse) == 0:
			return fmt.Sprintf("Under %s there is no single winner: %s are not told apart", b.durability, namesOf(level))
		default:
			return fmt.Sprintf("Under %s %s renew fastest and are not told apart; %s %s slower", b.durability, namesOf(level), namesOf(worse), map[bool]string{true: "is", false: "are"}[len(worse) == 1])
		}
	}
	for _, b := range r.capacityBlocks {
		return strings.ReplaceAll(r.kneeHeadline(b), "≤", "<=")
	}
	for _, b := range r.curveBlocks {
		return b.headline()
	}
	return "Nothing that can be ranked was measured"
}

// namesOf lists the names of rows.
func namesOf(rows []*row) string {
	var names []string
	for _, row := range rows {
		names = append(names, row.name())
	}
	return list(names)
}

// sentence begins text with a capital and ends it with a full stop.
func sentence(text string) string {
	if text == "" {
		return ""
	}
	return strings.ToUpper(text[:1]) + strings.TrimSuffix(text[1:], ".") + "."
}
