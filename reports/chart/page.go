package chart

// The page: margins and the lines of its head and foot.
const (
	Margin      = 14.0
	titleLine   = 16.0
	subtitleGap = 12.0
	noteLine    = 10.0
)

// Page is what stands around the panels of a figure.
type Page struct {
	Width, Height float64
	Title         string   // the finding
	Subtitle      []string // what, unit, conditions: one entry a sentence, wrapped
	Note          string
	Stamp         string // "PREVIEW", or ""
}

// Draw draws the page's head and foot and returns what is left for panels.
func (p Page) Draw(c *Canvas) Rect {
	y := p.Height - Margin
	room := p.Width - 2*Margin
	titleRoom := room
	if p.Stamp != "" {
		w := Label.Width(p.Stamp)
		titleRoom -= w + 20
		box := Rect{p.Width - Margin - w - 10, y - 13, p.Width - Margin, y + 1}
		c.Line(Stroke{Width: 1, Ink: Secondary}, Point{box.X0, box.Y0}, Point{box.X1, box.Y0}, Point{box.X1, box.Y1}, Point{box.X0, box.Y1}, Point{box.X0, box.Y0})
		c.Text(Label.In(Secondary), Point{box.X0 + 5, box.Y0 + 4}, Left, p.Stamp)
	}
	font := Headline
	for font.Size > 11 && font.Width(p.Title) > titleRoom {
		font.Size -= .25
	}
	y -= 11
	for _, line := range font.Wrap(p.Title, titleRoom) {
		c.Text(font, Point{Margin, y}, Left, line)
		y -= titleLine
	}
	y++
	for _, sentence := range p.Subtitle {
		for _, line := range Subtitle.Wrap(sentence, room) {
			c.Text(Subtitle, Point{Margin, y}, Left, line)
			y -= subtitleGap
		}
	}
	notes := Note.Wrap(p.Note, room)
	foot := Margin + float64(len(notes))*noteLine
	for i, line := range notes {
		c.Text(Note, Point{Margin, foot - float64(i+1)*noteLine + 1}, Left, line)
	}
	return Rect{Margin, foot + 2, p.Width - Margin, y + subtitleGap - 9}
}
