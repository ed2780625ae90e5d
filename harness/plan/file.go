package plan

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"reflect"
	"strconv"
	"strings"

	"github.com/pelletier/go-toml/v2"
	"github.com/pelletier/go-toml/v2/unstable"
)

// file is a TOML plan as written; nil fields were not given.
type file struct {
	Profile     *string                   `toml:"profile"`
	Seed        *uint64                   `toml:"seed"`
	Trials      *int                      `toml:"trials"`
	EngineNames []string                  `toml:"engine_names"`
	Durability  []string                  `toml:"durability"`
	Path        *string                   `toml:"path"`
	Control     *string                   `toml:"control"`
	Engines     map[string]map[string]any `toml:"engines"`
	Workloads   []fileWorkload            `toml:"workload"`

	name      string
	positions positions
}

// fileWorkload is one [[workload]] table. What it leaves out comes from its
// preset.
type fileWorkload struct {
	Name        *string  `toml:"name"`
	Kind        *string  `toml:"kind"`
	Path        *string  `toml:"path"`
	Durability  []string `toml:"durability"`
	Repetitions *int     `toml:"repetitions"`

	Preset        *string            `toml:"preset"`
	Actors        *int               `toml:"actors"`
	ActorTypes    *int               `toml:"actor_types"`
	Nodes         *int               `toml:"nodes"`
	LeaseSeconds  *float64           `toml:"lease_seconds"`
	RenewSeconds  *float64           `toml:"renew_seconds"`
	ValueBytes    *int               `toml:"value_bytes"`
	Prefill       *float64           `toml:"prefill"`
	Mix           map[string]float64 `toml:"mix"`
	Distribution  *string            `toml:"distribution"`
	ZipfS         *float64           `toml:"zipf_s"`
	Loop          *string            `toml:"loop"`
	RatePerS      *float64           `toml:"rate_per_s"`
	Workers       *int               `toml:"workers"`
	WarmupSeconds *float64           `toml:"warmup_seconds"`
	Seconds       *float64           `toml:"seconds"`
	MemoryBytes   *int64             `toml:"memory_bytes"`

	Promise       *string  `toml:"promise"`
	MaxLeases     *int     `toml:"max_leases"`
	Precision     *float64 `toml:"precision"`
	Confirmations *int     `toml:"confirmations"`
	ConfirmTrials *int     `toml:"confirm_trials"`

	LogRenewals *int `toml:"log_renewals"`
	Reads       *int `toml:"reads"`
}

// positions maps the dotted path of a key ("workload.0.rate_per_s") to its
// line and column, both from 1.
type positions map[string][2]int

// at prefixes err with the place of the deepest known part of path.
func (f *file) at(path string, err error) error {
	for p := path; p != ""; {
		if pos, ok := f.positions[p]; ok {
			return fmt.Errorf("%s:%d:%d: %w", f.name, pos[0], pos[1], err)
		}
		i := strings.LastIndexByte(p, '.')
		if i < 0 {
			break
		}
		p = p[:i]
	}
	return fmt.Errorf("%s: %w", f.name, err)
}

// readFile reads and decodes a plan. Its errors are one line each and name the
// file, and the line and column where there is one.
func readFile(name string) (*file, error) {
	raw, err := os.ReadFile(name)
	if err != nil {
		return nil, fmt.Errorf("plan: %w", err)
	}
	return decodeFile(name, raw)
}

func decodeFile(name string, raw []byte) (*file, error) {
	f := &file{name: name, positions: locate(raw)}
	dec := toml.NewDecoder(bytes.NewReader(raw))
	dec.DisallowUnknownFields()
	err := dec.Decode(f)
	var missing *toml.StrictMissingError
	var bad *toml.DecodeError
	switch {
	case errors.As(err, &missing):
		return nil, unknownKey(name, &missing.Errors[0])
	case errors.As(err, &bad):
		row, col := bad.Position()
		if key := bad.Key(); len(key) == 1 && key[0] == "engines" {
			return nil, fmt.Errorf("%s:%d:%d: engines holds a table of options per engine ([engines.NAME]); the list of names is engine_names", name, row, col)
		}
		return nil, fmt.Errorf("%s:%d:%d: %s%s", name, row, col, strings.TrimPrefix(bad.Error(), "toml: "), inKey(bad.Key()))
	case err != nil:
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return f, nil
}

func inKey(key toml.Key) string {
	if len(key) == 0 {
		return ""
	}
	return fmt.Sprintf(" (key %s)", strings.Join(key, "."))
}

// unknownKey names the key, its place and the nearest key that would be valid there.
func unknownKey(name string, e *toml.DecodeError) error {
	row, col := e.Position()
	key := e.Key()
	valid := validKeys(reflect.TypeFor[file](), key)
	hint := ""
	if best := nearest(key[len(key)-1], valid); best != "" {
		hint = fmt.Sprintf(", did you mean %q?", best)
	}
	return fmt.Errorf("%s:%d:%d: unknown key %q%s (want one of %s)", name, row, col, strings.Join(key, "."), hint, strings.Join(valid, ", "))
}

// validKeys walks t along key as far as structs and slices of structs go and
// returns the keys of the struct where the last part of key stands.
func validKeys(t reflect.Type, key toml.Key) []string {
	for _, part := range key[:len(key)-1] {
		field, ok := fieldOf(t, part)
		if !ok {
			break
		}
		inner := field.Type
		for inner.Kind() == reflect.Slice || inner.Kind() == reflect.Pointer {
			inner = inner.Elem()
		}
		if inner.Kind() != reflect.Struct {
			break
		}
		t = inner
	}
	var keys []string
	for i := range t.NumField() {
		if tag := t.Field(i).Tag.Get("toml"); tag != "" {
			keys = append(keys, tag)
		}
	}
	return keys
}

func fieldOf(t reflect.Type, tag string) (reflect.StructField, bool) {
	for i := range t.NumField() {
		if t.Field(i).Tag.Get("toml") == tag {
			return t.Field(i), true
		}
	}
	return reflect.StructField{}, false
}

// locate finds where each key of a document stands. A document with a syntax
// error gives the keys before it: the decoder reports the error itself.
func locate(raw []byte) positions {
	pos := positions{}
	var p unstable.Parser
	p.Reset(raw)
	count := map[string]int{}
	table := ""
	for p.NextExpression() {
		e := p.Expression()
		switch e.Kind {
		case unstable.Table:
			table = pos.add(&p, "", e, count)
		case unstable.ArrayTable:
			name := pos.add(&p, "", e, nil)
			table = name + "." + strconv.Itoa(count[name])
			count[name]++
			pos[table] = pos[name]
		case unstable.KeyValue:
			pos.add(&p, table, e, nil)
		}
	}
	return pos
}

// add records the place of a table or key and returns its dotted path. Where a
// part of the key is an array of tables, by their count so far, the last one is meant.
func (pos positions) add(p *unstable.Parser, prefix string, n *unstable.Node, arrays map[string]int) string {
	path := prefix
	first := true
	for it := n.Key(); it.Next(); {
		part := it.Node()
		if path != "" {
			path += "."
		}
		path += string(part.Data)
		if start := p.Shape(part.Raw).Start; first || len(pos[path]) == 0 {
			pos[path] = [2]int{start.Line, start.Column}
			first = false
		}
		if n := arrays[path]; n > 0 {
			path += "." + strconv.Itoa(n-1)
		}
	}
	return path
}
