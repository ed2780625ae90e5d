package damagetest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path"
	"slices"
	"strings"
	"testing"

	"orbitbench/engines"
	"orbitbench/engines/internal/storedir"
	"orbitbench/engines/internal/storetest"
	"orbitbench/engines/internal/vfs"
)

// AfterCleanClose damages each file of closed stores in each way, and demands that an open
// gives the right data or an explicit error, that Verify agrees with it, and that some damage
// to every kind of file, told by a part of its name, is noticed.
func AfterCleanClose[E storetest.Engine](t *testing.T, s storetest.Subject[E], stores []storetest.Closed, kinds ...string) {
	samples := 30
	if testing.Short() {
		samples = 2
	}
	seed := uint64(1)
	if os.Getenv("ORBITBENCH_TEST_SEED") == "random" {
		seed = rand.Uint64()
	}
	for _, c := range stores {
		at := fmt.Sprintf("class %s, checkpoint by Close %v", c.Durability.Class, c.OnClose)
		t.Logf("%s: seed %d", at, seed)
		rng := rand.New(rand.NewPCG(seed, 1))
		mem, want := storetest.ClosedStore(t, s, c)
		try := func(name string, h hurt) bool {
			m := storetest.Clone(mem)
			off := damage(t, rng, m, name, h)
			return off >= 0 && Noticed(t, s, m, want, fmt.Sprintf("%s: %s of %s at %d", at, h.name, name, off), c.Durability)
		}
		caught := map[string]bool{}
		files := files(mem)
		for _, name := range files {
			for _, h := range hurts {
				for range samples {
					if try(name, h) {
						caught[path.Base(name)] = true
					}
				}
			}
		}
		for _, kind := range kinds {
			ours := slices.DeleteFunc(slices.Clone(files), func(name string) bool { return !strings.Contains(path.Base(name), kind) })
			found := slices.ContainsFunc(ours, func(name string) bool { return caught[path.Base(name)] })
			for i := 0; !found && i < 1000; i++ { // most of a file may be empty
				found = try(ours[i%len(ours)], hurts[i%len(hurts)])
			}
			if !found {
				t.Errorf("%s: no damage to a %s file was noticed", at, kind)
			}
		}
	}
}

// MissingFiles removes each file of closed stores, demands of an open what AfterCleanClose
// does, and that the loss of those that are called as named is noticed.
func MissingFiles[E storetest.Engine](t *testing.T, s storetest.Subject[E], stores []storetest.Closed, named ...string) {
	for _, c := range stores {
		mem, want := storetest.ClosedStore(t, s, c)
		for _, name := range files(mem) {
			m := storetest.Clone(mem)
			if err := m.Remove(name); err != nil {
				t.Fatal(err)
			}
			found := Noticed(t, s, m, want, fmt.Sprintf("class %s: loss of %s", c.Durability.Class, name), c.Durability)
			if slices.Contains(named, path.Base(name)) && !found {
				t.Errorf("the loss of %s was not noticed", name)
			}
		}
	}
}

// files lists the files of a store but the lock.
func files(m *vfs.Mem) []string {
	return slices.DeleteFunc(m.Files(), func(name string) bool { return path.Base(name) == storedir.LockName })
}

// Noticed reports whether the damage to the closed store m, which held want, is noticed: by an
// open, by the first read where records are brought in later, or by Close. Wrong data, an error
// that does not say what is corrupt, and a Verify that disagrees fail the test.
func Noticed[E storetest.Engine](t *testing.T, s storetest.Subject[E], m *vfs.Mem, want storetest.Contents, what string, d engines.Durability) bool {
	t.Helper()
	verr := s.Check(m)
	if again := s.Check(m); (again == nil) != (verr == nil) || verr != nil && !told(verr) {
		t.Errorf("%s: verify gives %v and then %v, want ErrCorrupt or nothing", what, verr, again)
	}
	got := storetest.Contents{}
	e, err := s.Try(m, d, s.Busy)
	if err == nil {
		got, err = storetest.Read(e)
		if err != nil {
			if _, again := storetest.Read(e); !told(again) {
				t.Errorf("%s: read again: %v, want ErrCorrupt as before", what, again)
			}
		}
		cerr := e.Close()
		if cerr != nil && !s.LateLog {
			t.Errorf("%s: close: %v", what, cerr)
		}
		err = errors.Join(err, cerr)
	}
	for k, v := range got {
		if want[k] != v {
			t.Errorf("%s: %s was read as %.40s, want %.40s", what, k, v, want[k])
		}
	}
	switch {
	case err == nil && len(got) != len(want):
		t.Errorf("%s: opened with %d records, want %d", what, len(got), len(want))
	case err != nil && !told(err):
		t.Errorf("%s: %v, want ErrCorrupt with a file", what, err)
	case err != nil && verr == nil:
		t.Errorf("%s: %v, but verify finds nothing", what, err)
	}
	return err != nil
}

// told says whether an error is one of damage that names the file.
func told(err error) bool {
	var corrupt *engines.CorruptError
	return errors.As(err, &corrupt) && corrupt.File != "" || errors.Is(err, engines.ErrUnsupported)
}
