package memory

import (
	"bytes"
	"io"
	"strings"
	"testing"

	"orbitbench/engines"
)

func TestHeaderRefuses(t *testing.T) {
	good := header{flags: flagGzip, generation: 7}.append(nil)
	if h, err := parseHeader(good); err != nil || h != (header{flagGzip, 7}) {
		t.Fatalf("%+v, %v", h, err)
	}
	for what, c := range map[string]struct {
		at   int
		says string
	}{
		"magic": {0, "magic"}, "version": {8, "version"}, "flags": {12, "checksum"},
		"generation": {16, "checksum"}, "checksum": {24, "checksum"}, "padding": {28, "padding"},
	} {
		bad := bytes.Clone(good)
		bad[c.at] ^= 0x40
		if _, err := parseHeader(bad); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s changed: %v, want an error about the %s", what, err, c.says)
		}
	}
	if _, err := parseHeader(good[:31]); err == nil {
		t.Error("a short header is accepted")
	}
	if _, err := parseHeader(header{flags: 4}.append(nil)); err == nil || !strings.Contains(err.Error(), "flags") {
		t.Errorf("an unknown flag: %v", err)
	}
}

func encodeBody(t testing.TB, records ...record) []byte {
	t.Helper()
	var out bytes.Buffer
	enc := newEncoder(&out)
	for _, r := range records {
		if err := enc.record(r); err != nil {
			t.Fatal(err)
		}
	}
	if err := enc.end(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// FuzzDecodeBody: what is accepted encodes to the same bytes; the rest is an error.
func FuzzDecodeBody(f *testing.F) {
	a := record{engines.Leases, 1, []byte("a"), []byte("value")}
	b := record{engines.Leases, 9, []byte("b"), nil}
	c := record{engines.Index, 1 << 40, []byte("a"), bytes.Repeat([]byte("x"), 300)}
	f.Add(encodeBody(f))
	f.Add(encodeBody(f, a))
	f.Add(encodeBody(f, a, b, c))
	f.Add(encodeBody(f, b, a))
	f.Add(encodeBody(f, a, a))
	f.Fuzz(func(t *testing.T, body []byte) {
		d := newDecoder(bytes.NewReader(body))
		var out bytes.Buffer
		enc := newEncoder(&out)
		for {
			r, err := d.next()
			if err == io.EOF {
				break
			}
			if err != nil {
				return
			}
			if err := enc.record(r); err != nil {
				t.Fatal(err)
			}
		}
		if err := enc.end(); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(out.Bytes(), body) {
			t.Fatalf("decoded and encoded: %x, was %x", out.Bytes(), body)
		}
	})
}

// FuzzParseHeader: what is accepted encodes to the same bytes.
func FuzzParseHeader(f *testing.F) {
	f.Add(header{flagComplete | flagGzip, 3}.append(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		h, err := parseHeader(b)
		if err == nil && !bytes.Equal(h.append(nil), b[:headerBytes]) {
			t.Fatalf("%x parses as %+v, which encodes to %x", b, h, h.append(nil))
		}
	})
}
