package server

import (
	"net/http"
	"testing"

	"github.com/orlop/orlop/internal/config"
)

// TestLimitsOfTheConfiguration has each class of requests be limited by its own
// setting, and one caller not pay for another.
func TestLimitsOfTheConfiguration(t *testing.T) {
	s, _ := open(t, func(c *config.Config) {
		c.RateLimitRead = config.RateLimit{Identity: 2}
		c.RateLimitWrite = config.RateLimit{Identity: 1}
		c.RateLimitDelete = config.RateLimit{Registry: 1}
		c.RateLimitOAuth = config.RateLimit{Registry: 3, Identity: 1}
	})
	newAdmin(t, s)
	ann, bob := principal(t, s, "Owner", ""), principal(t, s, "Owner", "")
	for i, c := range []struct {
		who          *caller
		method, path string
		limited      bool
	}{
		{ann, "GET", "/v2/", false},
		{ann, "HEAD", "/acr/v1/_catalog", false},
		{ann, "GET", "/api/v1/tokens", true}, // of whatever API
		{bob, "GET", "/v2/", false},
		{ann, "POST", "/v2/a/blobs/uploads/", false},
		{ann, "POST", "/v2/a/blobs/uploads/", true},
		{ann, "DELETE", "/v2/a/manifests/x", false},
		{bob, "DELETE", "/acr/v1/a", true}, // the registry has had its one
		{ann, "GET", "/oauth2/token?scope=repository:a:pull", false},
		{ann, "GET", "/oauth2/token?scope=repository:a:pull", true},
		{bob, "GET", "/oauth2/token", false},
	} {
		w := c.who.ask(c.method, c.path, "")
		if (w.Code == http.StatusTooManyRequests) != c.limited || c.limited != (w.Header().Get("Retry-After") != "") {
			t.Errorf("%d: %s %s: %d %v %s", i, c.method, c.path, w.Code, w.Header(), w.Body)
		}
		if w.Header().Get("X-Ms-Ratelimit-Remaining-Calls-Per-Second") == "" {
			t.Errorf("%d: %s %s does not tell what is left", i, c.method, c.path)
		}
	}
}
