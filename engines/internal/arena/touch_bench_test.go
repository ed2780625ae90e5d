package arena

import (
	"testing"

	"golang.org/x/sys/unix"
)

// BenchmarkFirstTouch is what 64 MiB of memory cost a process that touches them for the first
// time, by size of page, and by who asks for them. Where the host of a virtual machine backs memory
// only when it is used this is much of what a recovery takes: on two cores of an AMD EPYC under
// Firecracker 4 KiB cost 2.6 us by a store and 2.0 to 2.4 us by MADV_POPULATE_WRITE, and in huge pages 0.7 to
// 0.9 and 0.4 to 0.7 us (a load of some programs; under more the ratio of the pages grew). So fewer bytes and huge pages pay; populating ahead pays less.
func BenchmarkFirstTouch(b *testing.B) {
	const size = 64 << 20
	for _, huge := range []bool{false, true} {
		for _, populate := range []bool{false, true} {
			name := map[bool]string{false: "pages=4k", true: "pages=huge"}[huge] + map[bool]string{false: "/by=store", true: "/by=populate"}[populate]
			b.Run(name, func(b *testing.B) {
				for range b.N {
					firstTouch(b, size, huge, populate)
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/(size/4096), "ns/4KiB")
			})
		}
	}
}

func firstTouch(b *testing.B, size int, huge, populate bool) {
	b.StopTimer()
	mem, err := unix.Mmap(-1, 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS|unix.MAP_NORESERVE)
	if err != nil {
		b.Fatal(err)
	}
	advice := unix.MADV_NOHUGEPAGE
	if huge {
		advice = unix.MADV_HUGEPAGE
	}
	if err := unix.Madvise(mem, advice); err != nil {
		b.Skipf("no choice of pages here: %v", err)
	}
	b.StartTimer()
	if populate {
		if err := unix.Madvise(mem, unix.MADV_POPULATE_WRITE); err != nil {
			b.Skipf("MADV_POPULATE_WRITE: %v", err)
		}
	} else {
		for i := 0; i < size; i += 4096 {
			mem[i] = 1
		}
	}
	b.StopTimer()
	if err := unix.Munmap(mem); err != nil {
		b.Fatal(err)
	}
	b.StartTimer()
}
