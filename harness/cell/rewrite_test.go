package cell

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"orbitbench/engines"
	"orbitbench/harness/patience"
	"orbitbench/harness/result"
)

// recyclingDriver is the fake engine with a log beside it that it uses again
// after some commits ("recycle_after"); 0 never does.
type recyclingDriver struct{ fakeDriver }

func (d recyclingDriver) Info() engines.Info {
	i := d.fakeDriver.Info()
	i.Name, i.RecyclesLog = "recycling", true
	return i
}

type recyclingEngine struct {
	engines.Engine
	dir          string
	after, count int
}

func (recyclingDriver) after(o engines.Options) (int, engines.Options) {
	n, _ := o.Config["recycle_after"].(int)
	o.Config = nil
	return n, o
}

func (d recyclingDriver) Configure(o engines.Options) (any, error) {
	_, o = d.after(o)
	return d.fakeDriver.Configure(o)
}

func (d recyclingDriver) Open(ctx context.Context, o engines.Options) (engines.Engine, error) {
	n, o := d.after(o)
	e, err := d.fakeDriver.Open(ctx, o)
	if err != nil {
		return nil, err
	}
	return &recyclingEngine{Engine: e, dir: o.Dir, after: n}, os.WriteFile(filepath.Join(o.Dir, "000000.log"), []byte("x"), 0o600)
}

func (e *recyclingEngine) name(n int) string { return filepath.Join(e.dir, fmt.Sprintf("%06d.log", n)) }

func (e *recyclingEngine) Apply(ctx context.Context, b *engines.Batch) error {
	if len(b.Ops) > 100 { // the bulk load and the rewriting, one at a time
		if e.count++; e.after > 0 && e.count == e.after {
			if err := os.Rename(e.name(0), e.name(1)); err != nil {
				return err
			}
		}
	}
	return e.Engine.Apply(ctx, b)
}

func rewriteTest(t testing.TB, after int) *result.Cell {
	t.Helper()
	s := testSpec(t, "recycling", map[string]any{"recycle_after": after})
	s.Durability.Class = engines.Process
	s.Plan.Durability = s.Durability.String()
	l := testLimits()
	l.rewriteBytes, l.rewriteTime = 4<<20, 5*time.Second
	c := execute(context.Background(), s, lookupTest, nil, l)
	wantOK(t, c) // whose check compares every lease with what was acknowledged
	if c.Rewrite == nil || c.Rewrite.Bytes == 0 || c.Rewrite.Seconds <= 0 {
		t.Fatalf("rewrite %+v, want what was written", c.Rewrite)
	}
	return c
}

func TestRewritesUntilTheLogIsRecycled(t *testing.T) {
	patience.Try(t, func(t *patience.T) {
		c := rewriteTest(t, 6)
		if !c.Rewrite.LogRecycled || c.Rewrite.Bytes >= 4<<20 || strings.Contains(strings.Join(c.Warnings, "\n"), "recycled") {
			t.Errorf("%+v, warnings %q, want an end as soon as it was seen", c.Rewrite, c.Warnings)
		}
	})
}

func TestRewritingIsBounded(t *testing.T) {
	c := rewriteTest(t, 0)
	if c.Rewrite.LogRecycled || c.Rewrite.Bytes < 4<<20 && c.Rewrite.Seconds < leastRewrite.Seconds() { // on a slow machine time comes first
		t.Errorf("%+v, want one of the bounds", c.Rewrite)
	}
	if !strings.Contains(strings.Join(c.Warnings, "\n"), "not seen to be recycled") {
		t.Errorf("warnings %q do not say that it was not seen", c.Warnings)
	}
}

func TestOthersAreNotRewritten(t *testing.T) {
	c := executeTest(t, testSpec(t, "fake", nil))
	wantOK(t, c)
	if c.Rewrite != nil {
		t.Errorf("%+v, want none", c.Rewrite)
	}
}
