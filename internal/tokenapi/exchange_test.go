package tokenapi

import (
	"encoding/base64"
	"encoding/json"
	"net/netip"
	"net/url"
	"strings"
	"testing"

	"github.com/orlop/orlop/internal/authn"
	"github.com/orlop/orlop/internal/authz"
	"github.com/orlop/orlop/internal/meta"
)

// management gets a token of the management plane, as "az login
// --service-principal" does.
func (e *env) management(user, secret string) string {
	e.t.Helper()
	s, err := e.ident.SignIn(e.t.Context(), meta.DefaultRegistry, netip.Addr{}, user, secret)
	if err != nil {
		e.t.Fatal(err)
	}
	token, expires, err := e.ident.IssueManagementToken(e.t.Context(), s, "https://management.example/")
	if err != nil || expires.IsZero() {
		e.t.Fatal(expires, err)
	}
	return token
}

// payload decodes a token as the SDK for Go does: as standard base64, with
// padding appended.
func payload(t *testing.T, token string) map[string]any {
	t.Helper()
	part := strings.Split(token, ".")[1]
	part += strings.Repeat("=", (4-len(part)%4)%4)
	raw, err := base64.StdEncoding.DecodeString(part)
	if err != nil {
		t.Fatalf("standard base64 does not decode the payload: %v", err)
	}
	var out map[string]any
	if err := json.Unmarshal(raw, &out); err != nil {
		t.Fatal(err)
	}
	return out
}

// TestExchange is the sign-in of az and of the SDKs: a token of the management
// plane for a refresh token, and that for an access token.
func TestExchange(t *testing.T) {
	e := newEnv(t, authn.Options{})
	aad := e.management(e.user, e.secret)
	for name, form := range map[string]string{
		"az":             "grant_type=access_token&service=r.example&tenant=" + e.ident.Tenant(),
		"SDK for Go":     "grant_type=access_token&service=r.example",
		"the older form": "grant_type=access_token_refresh_token&service=r.example&refresh_token=x",
	} {
		a := e.post(ExchangePath+"?api-version=2021-07-01", form+"&access_token="+url.QueryEscape(aad))
		if a.status != 200 || len(a.tokens) != 1 || a.tokens["refresh_token"] == "" || a.header.Get("Cache-Control") != "no-store" {
			t.Fatalf("%s: %d %s", name, a.status, a.body)
		}
		got := e.post(Path, "service=x&grant_type=refresh_token&scope="+url.QueryEscape(pushScope)+"&refresh_token="+a.tokens["refresh_token"])
		if got.status != 200 || got.access != pushScope || got.subject != e.user {
			t.Errorf("%s: %d %q %s", name, got.status, got.access, got.body)
		}
		c := payload(t, a.tokens["refresh_token"])
		if c["exp"].(float64)-c["iat"].(float64) != 3*60*60 || c["grant_type"] != "refresh_token" || c["tenant"] != e.ident.Tenant() || c["iss"] != "Azure Container Registry" {
			t.Errorf("%s: claims %v", name, c)
		}
		c = payload(t, got.tokens["access_token"])
		if c["exp"].(float64)-c["iat"].(float64) != 75*60 || c["grant_type"] != "access_token" {
			t.Errorf("%s: claims %v", name, c)
		}
	}
}

// TestExchangeNeedsARole: who may do nothing here gets no token.
func TestExchangeNeedsARole(t *testing.T) {
	e := newEnv(t, authn.Options{})
	p, secret, err := e.ident.CreateServicePrincipal(t.Context(), meta.DefaultRegistry, "idle", nil)
	if err != nil {
		t.Fatal(err)
	}
	form := "grant_type=access_token&access_token=" + e.management(p.Name, secret)
	if a := e.post(ExchangePath, form); a.status != 401 || !strings.Contains(a.body, "UNAUTHORIZED") {
		t.Errorf("%d %s", a.status, a.body)
	}
	if err := e.ident.Assign(t.Context(), meta.DefaultRegistry, p.Name, meta.RoleAssignment{Role: authz.AcrPull}); err != nil {
		t.Fatal(err)
	}
	if a := e.post(ExchangePath, form); a.status != 200 {
		t.Errorf("with a role: %d %s", a.status, a.body)
	}
}

// TestManagementTokenElsewhere: a token of the management plane is good for the
// exchange only, and ends with the secret it was got with.
func TestManagementTokenElsewhere(t *testing.T) {
	e := newEnv(t, authn.Options{})
	aad := e.management(e.user, e.secret)
	for name, a := range map[string]answer{
		"as refresh token": e.post(Path, "grant_type=refresh_token&refresh_token="+aad),
		"as password":      e.get("service=x", basicAuth(authn.NullUser, aad)),
		"as Bearer":        e.get("service=x", "Bearer "+aad),
	} {
		if a.status != 401 {
			t.Errorf("%s: %d %s", name, a.status, a.body)
		}
	}
	if _, err := e.ident.Authenticate(t.Context(), meta.DefaultRegistry, netip.Addr{}, "Bearer "+aad); err == nil {
		t.Error("the data plane takes it")
	}
	if _, _, err := e.ident.ResetSecret(t.Context(), meta.DefaultRegistry, e.user, authn.NewSecret{}); err != nil {
		t.Fatal(err)
	}
	if a := e.post(ExchangePath, "grant_type=access_token&access_token="+aad); a.status != 401 {
		t.Errorf("after the secret has gone: %d", a.status)
	}
}
