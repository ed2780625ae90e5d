package reports

import (
	"image/color"
	"testing"

	"github.com/stretchr/testify/require"

	"orbitbench/harness/result"
)

// Each bin colours its second and its latency, and nothing else; more renewals are darker.
func TestHeat(t *testing.T) {
	seconds := []result.Interval{
		{Second: 0, Bins: []result.Bin{{36, 1000}, {47, 10}}}, // 1 us, and the last bin below 10 us
		{Second: 2, Bins: []result.Bin{{36, 1}, {60, 5}, {20, 5}}},
	}
	img := heat(seconds, 3, 1e3, 1e5) // 60 is at 100 us, 20 below 1 us: both outside
	b := img.Bounds()
	require.Equal(t, 2*result.BinsPerDecade*heatRow, b.Dy())
	require.Equal(t, heatColumns, b.Dx())
	alpha := func(second, row int) uint8 {
		return color.NRGBAModel.Convert(img.At(second*200+100, b.Dy()-1-row*heatRow)).(color.NRGBA).A
	}
	require.Greater(t, alpha(0, 0), alpha(0, 11))
	require.Greater(t, alpha(0, 11), alpha(2, 0))
	require.NotZero(t, alpha(2, 0))
	for second := range 3 {
		for row := range 2 * result.BinsPerDecade {
			if second == 0 && (row == 0 || row == 11) || second == 2 && row == 0 {
				continue
			}
			require.Zero(t, alpha(second, row), "second %d, row %d", second, row)
		}
	}
}

// A trial of an hour has no more pixels than one of a minute.
func TestHeatOfALongTrial(t *testing.T) {
	var seconds []result.Interval
	for i := range 3600 {
		seconds = append(seconds, result.Interval{Second: i, Bins: []result.Bin{{40, uint64(i + 1)}}})
	}
	require.Equal(t, heatColumns, heat(seconds, 3600, 1e3, 1e5).Bounds().Dx())
}
