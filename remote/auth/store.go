package auth

import "time"

// TokenStore keeps tokens between processes of one user, so that a process
// begins with the token that the one before it was given. A key is 64
// hexadecimal digits, and tells nothing of what it stands for.
//
// It holds secrets: only the user may be able to read it. Its methods may be
// called concurrently. What fails in it is for itself to deal with: nothing
// depends on it but speed.
type TokenStore interface {
	// Load returns what was saved under a key, false if there is nothing.
	Load(key string) (StoredToken, bool)
	// Save replaces what is under a key. It may be dropped when it has expired,
	// or at any time.
	Save(key string, t StoredToken)
	// Delete removes what is under a key, if there is something.
	Delete(key string)
}

// StoredToken is an entry of a TokenStore: a token, or how a registry asks to
// be given one, or the random key by which credentials are told apart. None of
// them holds a password or identity token.
type StoredToken struct {
	Registry string    `json:"registry,omitempty"` // scheme://host[:port], to find all of one
	Value    string    `json:"value,omitempty"`    // the secret, or empty
	Scopes   []string  `json:"scopes,omitempty"`   // what the token is for
	Expires  time.Time `json:"expires"`            // when the entry is of no use any more
	Accepted bool      `json:"accepted,omitempty"` // given for credentials, not to nobody

	Scheme  string `json:"scheme,omitempty"` // of the challenge: bearer or basic
	Realm   string `json:"realm,omitempty"`
	Service string `json:"service,omitempty"`
}
