package record

import "testing"

// BenchmarkMaterialize is the price of making and removing a state, without a verifier.
func BenchmarkMaterialize(b *testing.B) {
	for _, name := range []string{"posix", MountExt4, MountXFS} {
		b.Run(name, func(b *testing.B) {
			if err := Available(stages[name].method); err != nil {
				b.Skip(err)
			}
			s, err := stages[name].make(b.TempDir())
			if err != nil {
				b.Fatal(err)
			}
			defer s.Close()
			r, err := s.Finish(b.Context())
			if err != nil {
				b.Fatal(err)
			}
			state := State{At: s.Now(), Model: r.(*recording).model}
			for b.Loop() {
				_, done, err := r.Materialize(b.Context(), state)
				if err != nil {
					b.Fatal(err)
				}
				if err := done(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
