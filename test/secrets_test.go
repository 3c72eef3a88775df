package test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/orlop/orlop/internal/admin"
	"github.com/orlop/orlop/internal/config"
	"github.com/orlop/orlop/internal/testenv"
)

// logBuffer keeps a log.
type logBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

// Write implements io.Writer.
func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *logBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// TestNoSecretInTheLog uses every kind of credential, right and wrong, with
// everything logged, and looks for them in the log.
func TestNoSecretInTheLog(t *testing.T) {
	var log logBuffer
	s := testenv.Start(t, testenv.Options{Log: &log, Configure: func(c *config.Config) {
		c.LogLevel, c.AccessLog = slog.LevelDebug, true
	}})
	secrets := []string{testenv.AdminPassword}
	post := func(form url.Values) map[string]any {
		t.Helper()
		_, body := s.DoAs(t, "", "", http.MethodPost, "/oauth2/token", strings.NewReader(form.Encode()), "Content-Type", "application/x-www-form-urlencoded")
		var answer map[string]any
		if err := json.Unmarshal(body, &answer); err != nil {
			t.Fatalf("%v: %s", err, body)
		}
		for _, v := range answer {
			if token, ok := v.(string); ok && strings.HasPrefix(token, "ey") {
				secrets = append(secrets, token)
			}
		}
		return answer
	}
	form := func(values ...string) url.Values {
		f := url.Values{"service": {s.Address}}
		for i := 0; i < len(values); i += 2 {
			f.Set(values[i], values[i+1])
		}
		return f
	}

	s.PushArtifact(t, "secret/scan", "1.0", []byte("x"))
	s.DoAs(t, "admin", "wrong-password-1", http.MethodGet, "/v2/", nil)
	s.DoAs(t, "wrong-password-2", "x", http.MethodGet, "/v2/", nil) // typed into the wrong field
	post(form("grant_type", "password", "username", "admin", "password", "wrong-password-3"))
	tokens := post(form("grant_type", "password", "username", "admin", "password", testenv.AdminPassword,
		"scope", "repository:secret/scan:pull", "access_type", "offline"))
	refresh, _ := tokens["refresh_token"].(string)
	post(form("grant_type", "refresh_token", "refresh_token", refresh, "scope", "repository:secret/scan:pull"))
	access, _ := tokens["access_token"].(string)
	s.DoAs(t, "", "", http.MethodGet, "/v2/secret/scan/tags/list", nil, "Authorization", "Bearer "+access)
	s.DoAs(t, "", "", http.MethodGet, "/v2/secret/scan/tags/list", nil, "Authorization", "Bearer broken-token-4")
	s.DoAs(t, "", "", http.MethodGet, "/oauth2/token?service=x&refresh_token=wrong-token-5&password=wrong-password-6", nil)
	asked, err := json.Marshal(admin.NewServicePrincipal{Name: "scan", Roles: []string{"AcrPull"}})
	if err != nil {
		t.Fatal(err)
	}
	_, body := s.Do(t, http.MethodPost, "/api/v1/service-principals", bytes.NewReader(asked), "Content-Type", "application/json")
	var principal struct{ AppID, Password string }
	if err := json.Unmarshal(body, &principal); err != nil || principal.Password == "" {
		t.Errorf("create a service principal: %v: %s", err, body)
	}
	s.DoAs(t, principal.AppID, principal.Password, http.MethodGet, "/v2/secret/scan/tags/list", nil)
	s.DoAs(t, principal.AppID, principal.Password, http.MethodPost, "/v2/secret/scan/blobs/uploads/", nil) // denied

	// A registry token, the admin user, and the exchange.
	manage := func(method, path, body string) []byte {
		t.Helper()
		resp, answer := s.Do(t, method, "/api/v1/"+path, strings.NewReader(body), "Content-Type", "application/json")
		if resp.StatusCode/100 != 2 {
			t.Errorf("%s %s: %d %s", method, path, resp.StatusCode, answer)
		}
		return answer
	}
	manage(http.MethodPost, "tokens", `{"name":"robot","scopeMap":"_repositories_pull"}`)
	var generated admin.TokenCredentials
	if err := json.Unmarshal(manage(http.MethodPost, "tokens/robot/credentials", `{"name":"password1"}`), &generated); err != nil {
		t.Fatal(err)
	}
	var shared admin.AdminUser
	if err := json.Unmarshal(manage(http.MethodPatch, "admin-user", `{"enabled":true}`), &shared); err != nil {
		t.Fatal(err)
	}
	s.DoAs(t, "robot", generated.Passwords[0].Value, http.MethodGet, "/v2/secret/scan/tags/list", nil)
	s.DoAs(t, shared.Username, shared.Passwords[0].Value, http.MethodGet, "/v2/secret/scan/tags/list", nil)
	s.DoAs(t, "", "", http.MethodPost, "/oauth2/exchange", strings.NewReader("grant_type=access_token&access_token=wrong-token-7.x.y"),
		"Content-Type", "application/x-www-form-urlencoded")
	secrets = append(secrets, generated.Passwords[0].Value, shared.Passwords[0].Value, shared.Passwords[1].Value)

	secrets = append(secrets, principal.Password, "wrong-password", "broken-token", "wrong-token")
	s.Stop()
	if !strings.Contains(log.String(), "/v2/secret/scan/tags/list") {
		t.Error("the requests were not logged")
	}
	if !strings.Contains(log.String(), "msg=denied") {
		t.Error("the denials were not logged")
	}
	if len(secrets) < 6 {
		t.Errorf("only %d secrets were seen; the test looks for too little", len(secrets))
	}
	for _, secret := range secrets {
		checkNoSecret(t, log.String(), secret)
	}
}

// checkNoSecret looks for a secret as it is and as it travels.
func checkNoSecret(t *testing.T, log, secret string) {
	t.Helper()
	forms := []string{secret, url.QueryEscape(secret), base64.StdEncoding.EncodeToString([]byte("admin:" + secret))}
	for _, form := range forms {
		if form != "" && strings.Contains(log, form) {
			t.Errorf("the log has the secret %.12s...", form)
		}
	}
}
