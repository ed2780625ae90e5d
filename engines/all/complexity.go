package all

import (
	_ "embed"
	"encoding/json"
	"fmt"
)

//go:generate sh -c "go run ./complexity > complexity.json.new && mv complexity.json.new complexity.json"

//go:embed complexity.json
var complexityJSON []byte

// Counts are proxies for how much code an engine is, taken from its source by
// `go generate ./engines/all`.
type Counts struct {
	Lines        int    `json:"lines"`        // lines of Go that hold a token, tests excluded
	Dependencies int    `json:"dependencies"` // modules that it draws in
	Note         string `json:"note,omitempty"`
}

// Complexity returns the counts of every engine by name.
func Complexity() (map[string]Counts, error) {
	counts := map[string]Counts{}
	if err := json.Unmarshal(complexityJSON, &counts); err != nil {
		return nil, fmt.Errorf("complexity.json: %w", err)
	}
	return counts, nil
}
