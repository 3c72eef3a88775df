// Package issuertest runs an OpenID Connect issuer for tests: it serves a
// discovery document and keys, and signs tokens.
package issuertest

import (
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// Audience is whom the tokens are for, unless their claims are changed.
const Audience = "myregistry.example"

// Issuer is one on a local port, without TLS.
type Issuer struct {
	URL   string
	Key   *rsa.PrivateKey
	KeyID string
	Now   time.Time // when tokens are issued; they are good for five minutes

	Requests atomic.Int32
	Answer   atomic.Pointer[http.HandlerFunc] // in place of its own answers, if set

	t testing.TB
}

// New starts an issuer that ends with the test.
func New(t testing.TB, now time.Time) *Issuer {
	t.Helper()
	i := &Issuer{Key: NewKey(t), KeyID: "first", Now: now, t: t}
	srv := httptest.NewServer(i)
	t.Cleanup(srv.Close)
	i.URL = srv.URL
	return i
}

// NewKey makes a key.
func NewKey(t testing.TB) *rsa.PrivateKey {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// ServeHTTP answers what the issuer is asked.
func (i *Issuer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	i.Requests.Add(1)
	if h := i.Answer.Load(); h != nil {
		(*h)(w, r)
		return
	}
	var answer any
	switch r.URL.Path {
	case "/.well-known/openid-configuration":
		answer = map[string]any{"issuer": i.URL, "jwks_uri": i.URL + "/keys", "id_token_signing_alg_values_supported": []string{"RS256"}}
	case "/keys":
		answer = jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: &i.Key.PublicKey, KeyID: i.KeyID, Algorithm: "RS256", Use: "sig"}}}
	default:
		http.NotFound(w, r)
		return
	}
	if err := json.NewEncoder(w).Encode(answer); err != nil {
		i.t.Error(err)
	}
}

// Claims are those of a good token, changed; nil takes one away.
func (i *Issuer) Claims(change map[string]any) map[string]any {
	c := map[string]any{
		"iss": i.URL, "aud": Audience, "sub": "repo:example/app:ref:refs/heads/main", "repository": "example/app",
		"ref": "refs/heads/main", "iat": i.Now.Unix(), "nbf": i.Now.Unix(), "exp": i.Now.Add(5 * time.Minute).Unix(),
	}
	maps.Copy(c, change)
	maps.DeleteFunc(c, func(_ string, v any) bool { return v == nil })
	return c
}

// Token signs the claims.
func (i *Issuer) Token(change map[string]any) string {
	i.t.Helper()
	payload, err := json.Marshal(i.Claims(change))
	if err != nil {
		i.t.Fatal(err)
	}
	return Sign(i.t, jose.RS256, i.Key, i.KeyID, payload)
}

// Sign signs whatever it is given, with whatever.
func Sign(t testing.TB, alg jose.SignatureAlgorithm, key any, kid string, payload []byte) string {
	t.Helper()
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: jose.JSONWebKey{Key: key, KeyID: kid}}, (&jose.SignerOptions{}).WithType("JWT"))
	if err != nil {
		t.Fatal(err)
	}
	signed, err := signer.Sign(payload)
	if err != nil {
		t.Fatal(err)
	}
	token, err := signed.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return token
}
