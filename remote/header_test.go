package remote

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
)

func TestParseLink(t *testing.T) {
	tests := []struct {
		values []string
		want   string
	}{
		{nil, ""},
		{[]string{""}, ""},
		{[]string{`</v2/_catalog?last=a&n=1>; rel="next"`}, "/v2/_catalog?last=a&n=1"},
		{[]string{`</x>;rel=next`}, "/x"},
		{[]string{`</x>; title="a, b; rel=next"; REL = "prev NEXT"`}, "/x"},
		{[]string{`</a>; rel="prev", </b>; rel="next"`}, "/b"},
		{[]string{`</a>; rel="prev"`, `</b>; rel="next"`}, "/b"},
		{[]string{`</a>; rel=prev; rel=next`}, ""},
		{[]string{`</a>; title="\", </b>; rel=next"`}, ""},
		{[]string{`/x; rel=next`}, ""},
		{[]string{`</x; rel=next`}, ""},
		{[]string{`</x>`}, ""},
	}
	for _, tt := range tests {
		if got, ok := parseLink(tt.values); got != tt.want || ok != (tt.want != "") {
			t.Errorf("%q: %q, %t", tt.values, got, ok)
		}
	}
}

func TestParseRanges(t *testing.T) {
	for value, want := range map[string]string{
		"bytes 0-9/10": "0 9 10 true", "bytes 5-9/100": "5 9 100 true",
		"bytes 0-9/*": "0 0 0 false", "bytes */10": "0 0 0 false", "bytes 0-10/10": "0 0 0 false", "bytes 9-5/10": "0 0 0 false",
		"0-9/10": "0 0 0 false", "bytes -1-9/10": "0 0 0 false", "bytes +1-9/10": "0 0 0 false", "": "0 0 0 false",
		"bytes 0-9223372036854775807/9223372036854775808": "0 0 0 false",
	} {
		first, last, total, ok := parseContentRange(value)
		if got := fmt.Sprint(first, last, total, ok); got != want {
			t.Errorf("%q: %s, want %s", value, got, want)
		}
	}
	for value, want := range map[string]string{
		"0-9": "10 false true", "bytes=0-9": "10 false true", "0-0": "0 true true", "0--1": "0 false true",
		"1-9": "0 false false", "": "0 false false", "0-": "0 false false", "9": "0 false false",
	} {
		n, unsure, ok := parseUploadRange(value)
		if got := fmt.Sprint(n, unsure, ok); got != want {
			t.Errorf("%q: %s, want %s", value, got, want)
		}
	}
}

func TestRetryAfter(t *testing.T) {
	now := time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)
	for value, want := range map[string]string{
		"": "0s false", "30": "30s true", "0": "0s true", "-1": "0s false", "99999999999": "0s false",
		"Wed, 25 Nov 2026 12:00:10 GMT": "10s true", "Wed, 25 Nov 2026 11:00:00 GMT": "0s true", "soon": "0s false",
	} {
		d, ok := retryAfter(http.Header{"Retry-After": {value}}, now)
		if got := fmt.Sprint(d, ok); got != want {
			t.Errorf("%q: %s, want %s", value, got, want)
		}
	}
}

func TestBackoff(t *testing.T) {
	o := RetryOptions{}.withDefaults()
	for attempt := 1; attempt < 100; attempt++ {
		if d := o.backoff(attempt); d < o.MinWait*3/4 || d > o.MaxWait*5/4 {
			t.Errorf("attempt %d: %s", attempt, d)
		}
	}
}

func TestFallbackTag(t *testing.T) {
	for _, dgst := range []digest.Digest{digest.FromString("a"), digest.SHA512.FromString("a")} {
		want := string(dgst.Algorithm()) + "-" + dgst.Encoded()[:64]
		if got := fallbackTag(dgst); got != want {
			t.Errorf("%s: %s", dgst, got)
		}
	}
}

func FuzzHeaders(f *testing.F) {
	f.Add(`</v2/_catalog?n=1>; rel="next"`)
	f.Add("bytes 0-9/10")
	f.Add("0-9")
	f.Add(`299 - "text"`)
	f.Fuzz(func(t *testing.T, value string) {
		if target, ok := parseLink([]string{value}); ok && len(target) > len(value) {
			t.Errorf("link %q", target)
		}
		if first, last, total, ok := parseContentRange(value); ok && (first < 0 || last < first || total <= last) {
			t.Errorf("content range %d-%d/%d", first, last, total)
		}
		if n, unsure, ok := parseUploadRange(value); n < 0 || unsure && (n != 0 || !ok) {
			t.Errorf("upload range %d, %t, %t", n, unsure, ok)
		}
		if text, ok := parseWarning(value); ok && (text == "" || len(text) > len(value)) {
			t.Errorf("warning %q", text)
		}
	})
}
