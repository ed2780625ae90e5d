package crash

import (
	"context"
	"errors"
)

func recorderAvailable() error {
	return errors.New("errors of single operations need a recorder of files, which this build lacks")
}

func newRecorderBed(context.Context, string) (bed, error) { return nil, recorderAvailable() }
