package blob

import (
	"errors"
	"fmt"
)

// ErrKey: the key is not one that a Store takes.
var ErrKey = errors.New("invalid object key")

// maxKey is the longest key, in bytes.
const maxKey = 64

// ValidateKey checks that a key is 1 to 64 of the characters 0-9, a-z and "-".
// Every Store refuses others, so that a key is a harmless file name everywhere.
func ValidateKey(key string) error {
	if key == "" || len(key) > maxKey {
		return fmt.Errorf("%w: length %d", ErrKey, len(key))
	}
	for _, c := range []byte(key) {
		if (c < '0' || c > '9') && (c < 'a' || c > 'z') && c != '-' {
			return fmt.Errorf("%w: %q", ErrKey, key)
		}
	}
	return nil
}
