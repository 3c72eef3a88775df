package state

import (
	"log/slog"
	"net/url"
	"path/filepath"
	"strings"
	"time"

	"github.com/orlop/orlop/remote/auth"
)

// Tokens keeps access tokens until they expire. It may be used concurrently,
// also by several processes.
type Tokens struct{ entries *folder }

var _ auth.TokenStore = (*Tokens)(nil)

// NewTokens returns the tokens below a directory, which is made when it is
// needed. What goes wrong is logged at level debug.
func NewTokens(dir string, log *slog.Logger) *Tokens {
	return &Tokens{entries: newFolder(filepath.Join(dir, "tokens"), log)}
}

// Load implements auth.TokenStore.
func (t *Tokens) Load(key string) (auth.StoredToken, bool) {
	var token auth.StoredToken
	if !t.entries.load(key, &token) || !time.Now().Before(token.Expires) {
		return auth.StoredToken{}, false
	}
	return token, true
}

// Save implements auth.TokenStore.
func (t *Tokens) Save(key string, token auth.StoredToken) { t.entries.save(key, token, token.Expires) }

// Delete implements auth.TokenStore.
func (t *Tokens) Delete(key string) { t.entries.remove(key) }

// Forget drops the tokens for a registry, host[:port], so that after a login or
// logout no former right lives on.
func (t *Tokens) Forget(host string) {
	for _, name := range t.entries.names() {
		var token auth.StoredToken
		if t.entries.load(name, &token) && sameRegistry(token.Registry, host) {
			t.entries.remove(name)
		}
	}
}

// sameRegistry tells whether an origin is that of the registry at host.
func sameRegistry(origin, host string) bool {
	u, err := url.Parse(origin)
	if err != nil {
		return false
	}
	return strings.EqualFold(hubless(u.Host), hubless(host))
}

// hubless returns one name for the names of Docker Hub.
func hubless(host string) string {
	if host == "registry-1.docker.io" || host == "index.docker.io" {
		return "docker.io"
	}
	return host
}
