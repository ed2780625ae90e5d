// Package chart holds what the report's figures are drawn with: a page with a
// headline, log axes, engine colours and glyphs, labels that make way for each
// other. It knows nothing of results.
//
// A [Figure] is drawn once per format, by the same function on the same
// fonts, so that its SVG and its PNG show the same and come out byte for byte
// equal on every run of one machine. All lengths are in points, with the origin
// at the bottom left.
package chart
