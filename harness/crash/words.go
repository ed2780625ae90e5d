package crash

import (
	"iter"
	"strings"
)

// wordsOf gives the words of an error's text with paths cut to their last part
// and every number as #.
func wordsOf(text string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for _, word := range strings.Fields(text) {
			if i := strings.LastIndexByte(strings.TrimRight(word, ":,"), '/'); i >= 0 {
				word = word[i+1:]
			}
			if !yield(numberless(word)) {
				return
			}
		}
	}
}

// numberless replaces digits, and what may be a hexadecimal number, by one #.
func numberless(word string) string {
	var b strings.Builder
	inside := false
	for _, r := range word {
		if r >= '0' && r <= '9' {
			if !inside {
				b.WriteByte('#')
			}
			inside = true
			continue
		}
		if inside && (r >= 'a' && r <= 'f' || r == 'x') {
			continue
		}
		inside = false
		b.WriteRune(r)
	}
	return b.String()
}
