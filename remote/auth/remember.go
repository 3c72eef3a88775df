package auth

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"maps"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"
)

const (
	// rememberFor is how long it is remembered how a registry asks for proof.
	rememberFor = 7 * 24 * time.Hour
	// maxLifetime is the longest that a token is used.
	maxLifetime = 24 * time.Hour
)

// memory is what a TokenStore holds of one registry. Where there is no store
// it holds nothing.
type memory struct {
	store  TokenStore // nil: none
	origin string     // of the registry
	salt   func() string
}

func newMemory(store TokenStore, origin *url.URL) memory {
	m := memory{store: store, origin: strings.ToLower(origin.Scheme) + "://" + strings.ToLower(origin.Hostname()) + ":" + port(origin)}
	m.salt = sync.OnceValue(m.loadSalt)
	return m
}

// storeKey makes a key of parts that are as they are, whatever is in them.
func storeKey(parts ...string) string {
	h := sha256.New()
	for _, part := range parts {
		_ = binary.Write(h, binary.BigEndian, uint64(len(part))) // a hash does not fail
		_, _ = h.Write([]byte(part))
	}
	return hex.EncodeToString(h.Sum(nil))
}

// loadSalt returns the random key by which the store's credentials are told
// apart.
func (m memory) loadSalt() string {
	key := storeKey("salt")
	if t, ok := m.store.Load(key); ok && t.Value != "" {
		return t.Value
	}
	salt := rand.Text()
	m.store.Save(key, StoredToken{Value: salt, Expires: time.Now().Add(10 * 365 * 24 * time.Hour)})
	return salt
}

// secretBytes is how much of a credential's hash goes into a key, in bytes: so
// much that the few credentials of a person are told apart, and so little that
// nobody who reads the store can tell the right password from thousands of
// others that fit as well.
const secretBytes = 2

// identity names who asks.
func (m memory) identity(c Credential) string {
	if c.IsZero() {
		return ""
	}
	h := hmac.New(sha256.New, []byte(m.salt()))
	_, _ = h.Write([]byte(storeKey(c.Username, c.Password, c.RefreshToken)))
	return c.Username + ":" + string(h.Sum(nil)[:secretBytes])
}

// challenge returns how the registry asked for proof the last time.
func (m memory) challenge() (Challenge, bool) {
	if m.store == nil {
		return Challenge{}, false
	}
	t, ok := m.store.Load(storeKey("challenge", m.origin))
	if !ok || !time.Now().Before(t.Expires) || (t.Scheme != "bearer" && t.Scheme != "basic") {
		return Challenge{}, false
	}
	return Challenge{Scheme: t.Scheme, Params: map[string]string{"realm": t.Realm, "service": t.Service}}, true
}

func (m memory) saveChallenge(c Challenge) {
	if m.store == nil {
		return
	}
	m.store.Save(storeKey("challenge", m.origin), StoredToken{
		Registry: m.origin, Expires: time.Now().Add(rememberFor),
		Scheme: c.Scheme, Realm: c.Params["realm"], Service: c.Params["service"],
	})
}

func (m memory) forgetChallenge() {
	if m.store != nil {
		m.store.Delete(storeKey("challenge", m.origin))
	}
}

// tokenKey is where a token for some resources is kept, whatever it allows to
// do with them: the later token allows more. It is empty where none is: the
// token for no resource is asked for to prove the credentials.
func (m memory) tokenKey(c Challenge, cred Credential, want scopeSet) string {
	if m.store == nil || len(want) == 0 {
		return ""
	}
	resources := slices.Sorted(maps.Keys(want))
	parts := []string{"token", m.origin, c.Params["realm"], c.Params["service"], m.identity(cred)}
	return storeKey(append(parts, resources...)...)
}

// token returns the token under a key, if it is still good for what is wanted.
func (m memory) token(key string, want scopeSet) (token, bool) {
	if key == "" {
		return token{}, false
	}
	t, ok := m.store.Load(key)
	tok := token{value: t.Value, scopes: newScopeSet(t.Scopes...), expires: t.Expires, accepted: t.Accepted, key: key}
	if !ok || !usable(tok.value) || !tok.valid() || time.Until(t.Expires) > maxLifetime || !tok.scopes.covers(want) {
		return token{}, false
	}
	return tok, true
}

func (m memory) saveToken(tok token) {
	if tok.key == "" {
		return
	}
	m.store.Save(tok.key, StoredToken{
		Registry: m.origin, Value: tok.value, Scopes: tok.scopes.strings(), Expires: tok.expires, Accepted: tok.accepted,
	})
}

// forgetToken deletes a token that was refused, unless another process has
// replaced it.
func (m memory) forgetToken(tok token) {
	if tok.key == "" {
		return
	}
	if t, ok := m.store.Load(tok.key); ok && t.Value == tok.value {
		m.store.Delete(tok.key)
	}
}
