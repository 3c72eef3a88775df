package distapi

import (
	"errors"
	"math"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/orlop/orlop"
)

func TestParseRange(t *testing.T) {
	for header, want := range map[string][]byteRange{
		"":                        nil,
		"items=0-1":               nil,
		"bytes=0-0":               {{0, 1}},
		"bytes=0-":                {{0, 100}},
		"bytes=99-":               {{99, 1}},
		"bytes=10-19":             {{10, 10}},
		"bytes=90-1000":           {{90, 10}},
		"bytes=-1":                {{99, 1}},
		"bytes=-1000":             {{0, 100}},
		"bytes=0-1, 5-6":          {{0, 2}, {5, 2}},
		"bytes=5-6,\t0-1,-1":      {{5, 2}, {0, 2}, {99, 1}},
		"bytes=0-1,200-300":       {{0, 2}},
		"bytes=-0,3-3":            {{3, 1}},
		"bytes=0-" + huge:         {{0, 100}},
		"bytes=-" + huge:          {{0, 100}},
		"bytes=0-1," + huge + "-": {{0, 2}},
	} {
		got, err := parseRange(header, 100)
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%q: %v, %v; want %v", header, got, err, want)
		}
	}
}

const huge = "99999999999999999999999999"

func TestParseRangeRefuses(t *testing.T) {
	for _, header := range []string{
		"bytes=", "bytes=-", "bytes=-0", "bytes=100-", "bytes=100-200", "bytes=5-4", "bytes=a-b", "bytes=1", "bytes=1-2-3",
		"bytes=--1", "bytes=+1-2", "bytes=0x1-2", "bytes=1 - 2", "bytes=0-1,", "bytes=,0-1", "bytes=0-1;2-3", "bytes=1.5-2",
		"bytes=" + huge + "-", "bytes=0-9,5-", "bytes=0-,0-", "bytes=-60,-60",
		"bytes=" + strings.Repeat("0-0,", maxRanges) + "0-0",
		"bytes=" + strings.Repeat("200-300,", 10000) + "200-300",
	} {
		ranges, err := parseRange(header, 100)
		if !errors.Is(err, orlop.ErrRangeInvalid) {
			t.Errorf("%.40q: %v, %v", header, ranges, err)
		}
	}
	for _, header := range []string{"bytes=0-", "bytes=-5", "bytes=0-0"} {
		if ranges, err := parseRange(header, 0); !errors.Is(err, orlop.ErrRangeInvalid) {
			t.Errorf("%q of nothing: %v, %v", header, ranges, err)
		}
	}
}

func FuzzParseRange(f *testing.F) {
	for _, s := range []string{"bytes=0-0", "bytes=-5", "bytes=5-", "bytes=0-1,4-5", "bytes=-0", "bytes=5-4", "bytes=" + huge + "-" + huge} {
		f.Add(s, int64(100))
		f.Add(s, int64(math.MaxInt64))
	}
	f.Fuzz(func(t *testing.T, header string, size int64) {
		size = max(size, 0)
		ranges, err := parseRange(header, size)
		if err != nil && !errors.Is(err, orlop.ErrRangeInvalid) || len(ranges) > maxRanges {
			t.Fatalf("%q of %d: %v, %v", header, size, ranges, err)
		}
		var total int64
		for _, r := range ranges {
			total += r.length
			if r.start < 0 || r.length <= 0 || r.start > size-r.length || total > size || total < 0 {
				t.Fatalf("%q of %d: %v", header, size, ranges)
			}
		}
	})
}

func TestParseContentRange(t *testing.T) {
	for header, want := range map[string][2]int64{
		"0-0": {0, 1}, "0-9": {0, 10}, "5-9": {5, 5}, "bytes 5-9/10": {5, 5}, "bytes 5-9/*": {5, 5}, "bytes 0-0/1": {0, 1},
	} {
		start, length, err := parseContentRange(header)
		if err != nil || start != want[0] || length != want[1] {
			t.Errorf("%q: %d, %d, %v", header, start, length, err)
		}
	}
	for _, header := range []string{
		"", "-", "5-", "-5", "5-4", "a-b", "0--1", "-1-5", "bytes */10", "0-" + huge, huge + "-" + huge, "0 - 1", "0-1,2-3", "bytes=0-1",
	} {
		_, _, err := parseContentRange(header)
		requireStatus(t, header, err, http.StatusBadRequest)
	}
}

func FuzzParseContentRange(f *testing.F) {
	for _, s := range []string{"0-0", "5-9", "bytes 5-9/10", "5-4", "-", huge + "-" + huge, "0-9223372036854775806"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, header string) {
		start, length, err := parseContentRange(header)
		if err == nil && (start < 0 || length <= 0 || start > math.MaxInt64-length) {
			t.Fatalf("%q: %d, %d", header, start, length)
		}
	})
}

func TestMatchesETag(t *testing.T) {
	tag := `"` + dgst + `"`
	for _, v := range []string{"*", tag, "W/" + tag, `"x", ` + tag, tag + `, "y"`} {
		if !matchesETag([]string{v}, dgst) {
			t.Errorf("%s does not match", v)
		}
	}
	for _, v := range []string{"", `""`, dgst, `"` + dgst, tag + "x", `"sha256:x"`, "W/", `"`} {
		if matchesETag([]string{v}, dgst) {
			t.Errorf("%s matches", v)
		}
	}
}
