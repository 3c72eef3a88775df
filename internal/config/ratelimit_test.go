package config

import "testing"

func TestRateLimit(t *testing.T) {
	for text, want := range map[string]RateLimit{"": {}, "0": {}, "100": {Registry: 100}, "100/50": {100, 50}, "0/50": {0, 50}} {
		got, err := parseRateLimit(text)
		if err != nil || got != want {
			t.Errorf("%q: %+v, %v", text, got, err)
		}
		if again, err := parseRateLimit(got.String()); err != nil || again != got {
			t.Errorf("%q is printed as %q: %+v, %v", text, got, again, err)
		}
	}
	for _, text := range []string{"x", "-1", "1/-1", "1/2/3", "/", "1/", "99999999999", "1e3", " 1"} {
		if got, err := parseRateLimit(text); err == nil {
			t.Errorf("%q is taken for %+v", text, got)
		}
	}
}
