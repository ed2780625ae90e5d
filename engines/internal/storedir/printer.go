package storedir

import (
	"fmt"
	"io"
)

// Printer prints a dump and keeps the first error of its writer.
type Printer struct {
	W   io.Writer
	Err error
}

// Printf prints unless there was an error.
func (p *Printer) Printf(format string, args ...any) {
	if p.Err == nil {
		_, p.Err = fmt.Fprintf(p.W, format, args...)
	}
}
