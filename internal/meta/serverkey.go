package meta

import "time"

// ServerKey is a key that the server made for itself at its first start: a key
// that signs tokens, the identity of the installation.
type ServerKey struct {
	ID      string // unique; the kid of a signing key
	Purpose string
	Secret  []byte
	Created time.Time
}
