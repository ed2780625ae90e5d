package main

import (
	"bytes"
	"os"
	"testing"
)

// The committed notices are those of what is linked in today.
func TestNoticesAreOfToday(t *testing.T) {
	var now bytes.Buffer
	if err := run(&now); err != nil {
		t.Fatal(err)
	}
	have, err := os.ReadFile("../notices.txt")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(now.Bytes(), have) {
		t.Error("cmd/orbitbench/notices.txt is out of date: run make notices")
	}
}
