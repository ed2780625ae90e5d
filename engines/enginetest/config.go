package enginetest

import (
	"encoding/json"
	"errors"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"

	"orbitbench/engines"
)

var configChecks = []named{
	{"config/info", checkInfo},
	{"config/configure", checkConfigure},
	{"config/unknown_name", checkUnknownName},
	{"config/classes", checkClasses},
}

var (
	nameForm = regexp.MustCompile(`^[a-z][a-z0-9+]*$`)
	jsonForm = regexp.MustCompile(`^[a-z][a-z0-9_]*$`)
)

func checkInfo(s *store) {
	i := s.info
	if !nameForm.MatchString(i.Name) {
		s.Errorf("Info.Name %q, want lower case letters, digits and +", i.Name)
	}
	for field, text := range map[string]string{
		"Title": i.Title, "Role": string(i.Role), "Summary": i.Summary,
		"Module": i.Module, "Package": i.Package, "Configuration": i.Configuration,
	} {
		if text == "" {
			s.Errorf("Info.%s is empty", field)
		}
	}
	if len(i.Classes) == 0 {
		s.Errorf("Info.Classes is empty")
	}
	for _, c := range engines.Classes() {
		if !slices.Contains(i.Classes, c) && i.WhyNot[c] == "" {
			s.Errorf("class %s is not offered and Info.WhyNot gives no reason", c)
		}
	}
}

func checkConfigure(s *store) {
	config, err := s.driver.Configure(s.engineOptions(s.dir))
	if err != nil {
		s.Fatalf("Configure: %v", err)
	}
	if _, err := os.Stat(s.dir); !errors.Is(err, os.ErrNotExist) {
		s.Errorf("Configure touched the directory (stat: %v)", err)
	}
	raw, err := json.Marshal(config)
	if err != nil {
		s.Fatalf("effective configuration: %v", err)
	}
	var fields map[string]any
	if err := json.Unmarshal(raw, &fields); err != nil {
		s.Fatalf("effective configuration %s is no object: %v", raw, err)
	}
	for field := range fields {
		if !jsonForm.MatchString(field) {
			s.Errorf("name %q in the effective configuration, want snake_case", field)
		}
	}
	// What Configure tells can be asked for: it is its own fixed point.
	o := s.engineOptions(s.dir)
	o.Config = fields
	again, err := s.driver.Configure(o)
	if err != nil {
		s.Fatalf("Configure with its own effective configuration %s: %v", raw, err)
	}
	if raw2, err := json.Marshal(again); err != nil || string(raw2) != string(raw) {
		s.Errorf("Configure with its own effective configuration gives %s (%v), want %s", raw2, err, raw)
	}
}

func checkUnknownName(s *store) {
	o := s.engineOptions(s.dir)
	o.Config = maps.Clone(o.Config)
	if o.Config == nil {
		o.Config = make(map[string]any)
	}
	o.Config["no_such_option"] = 1
	if _, err := s.driver.Configure(o); !errors.Is(err, engines.ErrInvalid) || !strings.Contains(err.Error(), "no_such_option") {
		s.Errorf("Configure with an unknown name: %v, want ErrInvalid that names it", err)
	}
	if e, err := s.driver.Open(s.ctx, o); !errors.Is(err, engines.ErrInvalid) {
		s.Errorf("Open with an unknown name: %v, want ErrInvalid", err)
		if err == nil {
			s.closeQuietly(e)
		}
	}
}

// checkClasses asks for every class that is not offered, and for durabilities that are none.
func checkClasses(s *store) {
	try := func(d engines.Durability, want error, reason string) {
		s.Helper()
		o := s.engineOptions(s.dir)
		o.Durability = d
		if _, err := s.driver.Configure(o); !errors.Is(err, want) || !strings.Contains(err.Error(), reason) {
			s.Errorf("Configure with durability %s: %v, want %v with reason %q", d, err, want, reason)
		}
		e, err := s.driver.Open(s.ctx, o)
		if !errors.Is(err, want) {
			s.Errorf("Open with durability %s: %v, want %v", d, err, want)
		}
		if err == nil {
			s.closeQuietly(e)
		}
	}
	for _, c := range engines.Classes() {
		d := engines.Durability{Class: c}
		if c == engines.Interval {
			d.Window = defaultWindow
		}
		if !slices.Contains(s.info.Classes, c) {
			try(d, engines.ErrUnsupported, s.info.WhyNot[c])
		}
	}
	try(engines.Durability{Class: engines.Interval}, engines.ErrInvalid, "")
	try(engines.Durability{Class: engines.None, Window: defaultWindow}, engines.ErrInvalid, "")
	try(engines.Durability{Class: 99}, engines.ErrInvalid, "")
}

// closeQuietly closes an engine that should not have opened.
func (s *store) closeQuietly(e engines.Engine) {
	if err := e.Close(); err != nil {
		s.Logf("Close of an engine that should not have opened: %v", err)
	}
}
