package bench

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"orbitbench/engines"
	"orbitbench/harness/floor"
	"orbitbench/harness/procstat"
	"orbitbench/harness/result"
)

// prepare opens, loads and warms whatever the points of a section need, in their order.
func (b *bench) prepare(ctx context.Context, section int) error {
	b.competitors = map[competitorID]*competitor{}
	b.maps = map[int]*mapRenewer{}
	for _, p := range slices.Clone(b.plan.sections[section].points) {
		if err := b.preparePoint(ctx, p); err != nil {
			return err
		}
	}
	return nil
}

func (b *bench) preparePoint(ctx context.Context, p point) error {
	switch p.kind {
	case floorKind, idealKind:
		return b.openFloor()
	case mapKind:
		b.openMap(p.actors)
		return nil
	case renewKind, getKind, checkpointKind:
		if err := b.openCompetitor(ctx, p.competitor()); err != nil {
			return err
		}
		if _, ok := b.competitors[p.competitor()].engine.(engines.Checkpointer); p.kind == checkpointKind && !ok {
			b.plan.drop(p)
			b.progress("left out: %s: it has no checkpoint that can be asked for", p.name())
		}
		return nil
	case harnessKind:
		return b.openRig(ctx)
	case putKind, toolKind:
		return nil // they open a store of their own in each turn
	}
	return b.prepareApart(ctx, p)
}

func (b *bench) openFloor() (err error) {
	if b.floor != nil {
		return nil
	}
	if b.floor, err = floor.Open(floor.Options{Dir: b.o.DataDir, Kind: result.FloorOverwrite}); err != nil {
		return err
	}
	d, err := procstat.DeviceOf(b.o.DataDir)
	if err != nil {
		b.progress("left out: what the device writes by flush: %v", err)
		return nil
	}
	b.device = &d
	return nil
}

func (b *bench) openMap(n int) {
	if b.maps[n] == nil {
		a := newActors(n, b.o.Seed, time.Now())
		b.maps[n] = &mapRenewer{m: newShardMap(a), actors: a, now: a.now}
	}
}

func (b *bench) openCompetitor(ctx context.Context, id competitorID) error {
	if b.competitors[id] != nil {
		return nil
	}
	i := slices.IndexFunc(b.o.Drivers, func(d engines.Driver) bool { return d.Info().Name == id.engine })
	c, err := openCompetitor(ctx, b.o, b.o.Drivers[i], id.dur, id.actors)
	if err != nil {
		return err
	}
	b.competitors[id] = c
	seen, err := c.warm(ctx)
	if err != nil {
		return err
	}
	b.progress("warmed %-14s class=%s actors=%s path=%s: %s", c.name, c.dur, size(id.actors), c.path(), seen)
	return nil
}

// prepareApart fills the store that a point opens. What cannot be had is left
// out with its reason; a failure of an engine is left to the first round.
func (b *bench) prepareApart(ctx context.Context, p point) error {
	if b.apart == nil {
		dir, err := os.MkdirTemp(b.o.DataDir, "apart-")
		if err != nil {
			return err
		}
		b.apart = &apart{dir: dir, seed: b.o.Seed, now: time.Now().UnixNano(), collect: b.o.collectTime, openSeconds: b.o.openSeconds,
			stores: map[storeID]string{}, failed: map[storeID]error{}, seen: map[point]bool{}, caches: map[string]bool{}}
	}
	if why := room(b.o.DataDir, p.actors); why != "" {
		b.plan.drop(p)
		b.progress("left out: %s: %s", p.name(), why)
		return nil
	}
	if p.kind != recoverKind {
		return nil
	}
	begin := time.Now()
	if _, ok := b.apart.stores[p.store()]; ok {
		return nil
	}
	_, err := b.apart.pristine(ctx, p.store())
	var engine *engineError
	switch {
	case errors.As(err, &engine):
		return nil // told, and counted as a failure, when the point has its turn
	case err != nil:
		return fmt.Errorf("%s: %w", p.name(), err)
	}
	b.progress("filled %-14s class=%s leases=%s state=%s in %.1f s", p.engine, p.dur, size(p.actors), cmp.Or(p.state, "killed"), time.Since(begin).Seconds())
	return nil
}

// closeSection closes what prepare opened and removes its data.
func (b *bench) closeSection() error {
	var errs []error
	for _, c := range b.competitors {
		if err := c.close(); err != nil {
			errs = append(errs, fmt.Errorf("closing %s: %w", c.name, err))
		}
	}
	if b.floor != nil {
		errs = append(errs, b.floor.Close())
	}
	if b.rig != nil {
		errs = append(errs, b.rig.Close())
	}
	if b.apart != nil {
		for how := range b.apart.caches {
			b.progress("cold means: %s", how)
		}
		errs = append(errs, os.RemoveAll(b.apart.dir))
	}
	b.competitors, b.maps, b.floor, b.rig, b.apart = nil, nil, nil, nil, nil
	return errors.Join(errs...)
}

// close closes what is open and removes the data.
func (b *bench) close() error {
	return errors.Join(b.closeSection(), os.RemoveAll(b.o.DataDir))
}
