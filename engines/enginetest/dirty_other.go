//go:build !linux

package enginetest

func (s *store) seesDirtyPages(string) {
	s.Helper()
	s.Skipf("what is not on the device can be seen on Linux only")
}

func (s *store) synced(_, _ string) {}
