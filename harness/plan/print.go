package plan

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/pelletier/go-toml/v2"

	"orbitbench/engines"
	"orbitbench/workloads"
)

// TOML prints the plan in full, in the form that a plan file has: reading it
// again gives the same cells. Effective configurations stand in comments.
func (p *Plan) TOML() ([]byte, error) {
	var b bytes.Buffer
	cells := p.Cells()
	skipped := 0
	for _, c := range cells {
		if c.Skip != "" {
			skipped++
		}
	}
	fmt.Fprintf(&b, "# %d cells, %d of them skipped; about %s; up to %d MiB of disk at a time\n",
		len(cells), skipped, p.Estimate().Round(time.Second), p.DiskBytes(false)>>20)
	head := struct {
		Profile     string   `toml:"profile"`
		Seed        uint64   `toml:"seed"`
		Trials      int      `toml:"trials"`
		EngineNames []string `toml:"engine_names"`
		Durability  []string `toml:"durability"`
		Control     string   `toml:"control"`
	}{p.Profile, p.Seed, p.Trials, nil, texts(p.Durability), cmp.Or(p.Control, NoControl)}
	for _, e := range p.Engines {
		head.EngineNames = append(head.EngineNames, e.Name)
	}
	if err := encode(&b, head); err != nil {
		return nil, err
	}
	for _, e := range p.Engines {
		if err := e.toml(&b); err != nil {
			return nil, err
		}
	}
	for i := range p.Workloads {
		list := struct {
			Workload []fileWorkload `toml:"workload"`
		}{[]fileWorkload{p.Workloads[i].table()}}
		b.WriteByte('\n')
		if err := encode(&b, list); err != nil {
			return nil, err
		}
	}
	return b.Bytes(), nil
}

func (e Engine) toml(b *bytes.Buffer) error {
	b.WriteByte('\n')
	if len(e.Options) > 0 {
		table := map[string]map[string]map[string]any{"engines": {e.Name: e.Options}}
		if err := encode(b, table); err != nil {
			return err
		}
	} else {
		fmt.Fprintf(b, "[engines.%s]\n", quoteKey(e.Name))
	}
	for _, d := range sortedKeys(e.Effective) {
		raw, err := json.Marshal(e.Effective[d])
		if err != nil {
			return err
		}
		fmt.Fprintf(b, "# effective under %s: %s\n", d, raw)
	}
	for _, d := range sortedKeys(e.Skip) {
		fmt.Fprintf(b, "# skipped under %s: %s\n", d, e.Skip[d])
	}
	return nil
}

// quoteKey quotes a name that is no bare key of TOML.
func quoteKey(name string) string {
	if strings.Contains(name, "+") {
		return `"` + name + `"`
	}
	return name
}

func encode(b *bytes.Buffer, v any) error {
	enc := toml.NewEncoder(b)
	enc.SetIndentTables(false)
	return enc.Encode(v)
}

func texts(list []engines.Durability) []string {
	names := []string{}
	for _, d := range list {
		names = append(names, d.String())
	}
	return names
}

// table is the workload as a [[workload]] table that leaves nothing out.
func (w *Workload) table() fileWorkload {
	p := w.Params
	t := fileWorkload{
		Name: &w.Name, Kind: &w.Kind, Durability: texts(w.Durability),
		Preset: &p.Preset, Actors: &p.Actors, ActorTypes: &p.ActorTypes, Nodes: &p.Nodes,
		LeaseSeconds: &p.LeaseSeconds, RenewSeconds: &p.RenewSeconds, ValueBytes: &p.ValueBytes,
		Prefill: &p.Prefill, Mix: p.Mix, Distribution: &p.Distribution, Loop: &p.Loop,
		Workers: &p.Workers, MemoryBytes: &p.MemoryBytes,
		WarmupSeconds: &p.WarmupSeconds, Seconds: &p.Seconds,
	}
	path := PathBest
	if w.Path != "" {
		path = w.Path
	}
	t.Path = &path
	if w.recovery() {
		t.Repetitions = &w.Repetitions
	}
	if c := w.Capacity; c != nil {
		t.Promise, t.MaxLeases, t.Precision, t.Confirmations, t.ConfirmTrials = &c.Promise, &c.MaxLeases, &c.Precision, &c.Confirmations, &c.ConfirmTrials
	}
	if c := w.Curve; c != nil {
		t.LogRenewals, t.Reads = &c.LogRenewals, &c.Reads
	}
	if p.Loop == workloads.Open {
		t.RatePerS = &p.RatePerS
	}
	if p.Distribution == workloads.Zipf {
		t.ZipfS = &p.ZipfS
	}
	return t
}
