package blob

import (
	"strings"
	"testing"
)

func TestValidateKey(t *testing.T) {
	for key, valid := range map[string]bool{
		"a": true, "0-z": true, "-": true, strings.Repeat("a", 64): true,
		"": false, strings.Repeat("a", 65): false, ".": false, "..": false, "a/b": false, "A": false, "a\x00": false,
	} {
		if err := ValidateKey(key); (err == nil) != valid {
			t.Errorf("key %q: %v", key, err)
		}
	}
}
