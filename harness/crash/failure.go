package crash

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
)

// Failure is what is saved of a crash that broke an invariant, beside the history
// and what the store was made from.
type Failure struct {
	Target Target `json:"target"`
	Method string `json:"method"`
	Seed   uint64 `json:"seed"` // of the cell
	At     uint64 `json:"at"`   // stamp of the crash; End: after all
	Rules  Rules  `json:"rules"`
	Where  string `json:"where"`
	// State is the crash state of a recording, for the methods that have one; the
	// others keep a copy of the store.
	State json.RawMessage `json:"state,omitempty"`
	// Before is what the recovery had found that State is a cut of; none if it is of a worker.
	Before    Records   `json:"before,omitempty"`
	Judgement Judgement `json:"judgement"`
	// Command shows it again, from the directory that holds this file.
	Command string `json:"command"`
}

// The names within the directory of a failure.
const (
	failureFile  = "failure.json"
	historyFile  = "history.jsonl"
	recordingDir = "recording"
	storeCopyDir = StoreName
)

// save writes f and the history into dir.
func (f *Failure) save(dir string, h *History) error {
	path := filepath.Join(dir, failureFile)
	f.Command = "orbitbench crash --replay " + path
	raw, err := json.MarshalIndent(f, "", "  ")
	if err != nil {
		return err
	}
	if err := h.Save(filepath.Join(dir, historyFile)); err != nil {
		return err
	}
	return os.WriteFile(path, append(raw, '\n'), 0o644)
}

// loadFailure reads what save wrote; path is its file or its directory.
func loadFailure(path string) (f *Failure, m *Model, dir string, err error) {
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		path = filepath.Join(path, failureFile)
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, nil, "", err
	}
	f, dir = new(Failure), filepath.Dir(path)
	if err := json.Unmarshal(raw, f); err != nil {
		return nil, nil, "", fmt.Errorf("%s: no saved failure: %w", path, err)
	}
	h, err := LoadHistory(filepath.Join(dir, historyFile))
	if err != nil {
		return nil, nil, "", err
	}
	m, err = NewModel(h)
	if err != nil {
		return nil, nil, "", fmt.Errorf("%s: %w", filepath.Join(dir, historyFile), err)
	}
	return f, m, dir, nil
}
