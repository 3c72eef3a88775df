package config

import (
	"fmt"
	"strings"
	"testing"
)

// TestMetadataHidesPassword prints the setting in all ways.
func TestMetadataHidesPassword(t *testing.T) {
	for _, url := range []string{
		"postgres://orlop:swordfish@db.example.com/orlop", "postgres://db.example.com/orlop?user=orlop&password=swordfish",
	} {
		m, err := parseMetadata(url)
		if err != nil {
			t.Fatal(err)
		}
		for _, verb := range []string{"%v", "%s", "%+v", "%#v", "%q"} {
			if got := fmt.Sprintf(verb, m); strings.Contains(got, "swordfish") {
				t.Errorf("%s: %s", verb, got)
			}
		}
	}
	if got := Metadata("postgres://orlop@db.example.com/orlop").String(); got != "postgres://orlop@db.example.com/orlop" {
		t.Errorf("without a password: %s", got)
	}
	for _, bad := range []string{"mysql://swordfish", "file:swordfish", "postgres://a:swordfish@[::1/x", "swordfish"} {
		if _, err := parseMetadata(bad); err == nil || strings.Contains(err.Error(), "swordfish") {
			t.Errorf("%s: %v", bad, err)
		}
	}
}
