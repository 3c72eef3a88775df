package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/orlop/orlop/internal/authn"
	"github.com/orlop/orlop/internal/meta"
)

const reg = meta.DefaultRegistry

var pullOwn = meta.RoleAssignment{Role: "AcrPull", Prefix: "own/*"}

// account is somebody who may pull own/app, with all that was got with the
// password.
type account struct {
	t            *testing.T
	s            *Server
	user, secret string

	password, access, refresh *caller // by what it shows
	refreshToken, management  string
}

func newAccount(t *testing.T, s *Server, user, secret string) *account {
	t.Helper()
	a := &account{t: t, s: s, user: user, secret: secret}
	a.password = &caller{t, s, basicly(user, secret)}
	a.access = a.password.bearer("repository:own/app:pull")
	session, err := s.authn.SignIn(t.Context(), reg, netip.Addr{}, user, secret)
	if err != nil {
		t.Fatal(err)
	}
	if a.refreshToken, _, err = s.authn.RefreshToken(session, reg, "example.com"); err != nil {
		t.Fatal(err)
	}
	a.refresh = &caller{t, s, basicly(authn.NullUser, a.refreshToken)}
	if a.management, _, err = s.authn.IssueManagementToken(t.Context(), session, "https://management.example/"); err != nil {
		t.Fatal(err)
	}
	return a
}

// demand wants every credential to be good for pulling, or none.
func (a *account) demand(good bool) {
	a.t.Helper()
	for name, c := range map[string]*caller{"password": a.password, "access token": a.access, "refresh token as password": a.refresh} {
		if w := c.ask("GET", "/v2/own/app/tags/list", ""); (w.Code == 200) != good || !good && w.Code != 401 && w.Code != 403 {
			a.t.Errorf("%s: %d %s", name, w.Code, w.Body)
		}
	}
	for name, form := range map[string]string{
		"refresh token":    "grant_type=refresh_token&scope=repository:own/app:pull&refresh_token=" + a.refreshToken,
		"user and secret":  "grant_type=password&scope=repository:own/app:pull&username=" + url.QueryEscape(a.user) + "&password=" + url.QueryEscape(a.secret),
		"management token": "",
	} {
		if form == "" {
			token := a.post("/oauth2/exchange", "grant_type=access_token&access_token="+a.management)["refresh_token"]
			form = "grant_type=refresh_token&scope=repository:own/app:pull&refresh_token=" + token
		}
		token := a.post("/oauth2/token", form)["access_token"]
		pull := &caller{a.t, a.s, "Bearer " + token}
		if w := pull.ask("GET", "/v2/own/app/tags/list", ""); (w.Code == 200) != good {
			a.t.Errorf("a token got by %s: %d %s", name, w.Code, w.Body)
		}
	}
}

// post sends a form and returns the tokens of the answer; none if it was
// refused.
func (a *account) post(path, form string) map[string]string {
	a.t.Helper()
	status, body := postForm(a.t, a.s, path, form)
	var out map[string]string
	if status == 200 {
		if err := json.Unmarshal([]byte(body), &out); err != nil {
			a.t.Fatal(err)
		}
	}
	return out
}

// makeUser makes a user who may pull.
func makeUser(ctx context.Context, a *authn.Authenticator) (name, secret string, err error) {
	_, secret, err = a.CreateUser(ctx, reg, "ann", "", []meta.RoleAssignment{pullOwn})
	return "ann", secret, err
}

// makeApplication makes a service principal that may pull.
func makeApplication(ctx context.Context, a *authn.Authenticator) (name, secret string, err error) {
	p, secret, err := a.CreateServicePrincipal(ctx, reg, "ci", []meta.RoleAssignment{pullOwn})
	return p.Name, secret, err
}

// makeToken makes a registry token that may pull.
func makeToken(ctx context.Context, a *authn.Authenticator) (name, secret string, err error) {
	actions := []string{"repositories/own/*/content/read"}
	if _, err := a.CreateScopeMap(ctx, meta.ScopeMap{Registry: reg, Name: "readers", Actions: actions}); err != nil {
		return "", "", err
	}
	if _, err := a.CreateScopeMap(ctx, meta.ScopeMap{Registry: reg, Name: "others", Actions: []string{"repositories/other/content/read"}}); err != nil {
		return "", "", err
	}
	if _, err := a.CreateToken(ctx, reg, "robot", "readers", false); err != nil {
		return "", "", err
	}
	_, secret, err = a.GeneratePassword(ctx, reg, "robot", "password2", time.Time{})
	return "robot", secret, err
}

// makeAdminUser switches the admin user on.
func makeAdminUser(ctx context.Context, a *authn.Authenticator) (name, secret string, err error) {
	if err := a.SetAdminUser(ctx, reg, true); err != nil {
		return "", "", err
	}
	u, err := a.AdminUser(ctx, reg)
	return u.Name, u.Passwords[0].Value, err
}

// change changes what an account may do.
type change = func(ctx context.Context, a *authn.Authenticator, user string) error

// revocations are the ways to take a right away.
var revocations = map[string]struct {
	make   func(ctx context.Context, a *authn.Authenticator) (name, secret string, err error)
	revoke change
	undo   change // after which all is good again; nil if nothing gets it back
}{
	"user disabled": {makeUser,
		func(ctx context.Context, a *authn.Authenticator, u string) error {
			return a.SetDisabled(ctx, reg, meta.KindUser, u, true)
		},
		func(ctx context.Context, a *authn.Authenticator, u string) error {
			return a.SetDisabled(ctx, reg, meta.KindUser, u, false)
		}},
	"user deleted": {makeUser, func(ctx context.Context, a *authn.Authenticator, u string) error { return a.DeleteUser(ctx, reg, u) }, nil},
	"password changed": {makeUser, func(ctx context.Context, a *authn.Authenticator, u string) error {
		_, err := a.SetPassword(ctx, reg, u, "")
		return err
	}, nil},
	"role removed": {makeUser,
		func(ctx context.Context, a *authn.Authenticator, u string) error {
			return a.Unassign(ctx, reg, u, pullOwn)
		},
		func(ctx context.Context, a *authn.Authenticator, u string) error {
			return a.Assign(ctx, reg, u, pullOwn)
		}},
	"mode of repository roles": {makeUser,
		func(ctx context.Context, a *authn.Authenticator, _ string) error {
			return a.EditAccess(ctx, reg, func(x *meta.Access) { x.RepositoryRoles = true })
		},
		func(ctx context.Context, a *authn.Authenticator, _ string) error {
			return a.EditAccess(ctx, reg, func(x *meta.Access) { x.RepositoryRoles = false })
		}},
	"service principal disabled": {makeApplication,
		func(ctx context.Context, a *authn.Authenticator, u string) error {
			return a.SetDisabled(ctx, reg, meta.KindServicePrincipal, u, true)
		},
		func(ctx context.Context, a *authn.Authenticator, u string) error {
			return a.SetDisabled(ctx, reg, meta.KindServicePrincipal, u, false)
		}},
	"service principal deleted": {makeApplication, func(ctx context.Context, a *authn.Authenticator, u string) error {
		return a.DeleteServicePrincipal(ctx, reg, u)
	}, nil},
	"secret deleted, another stays": {makeApplication, func(ctx context.Context, a *authn.Authenticator, u string) error {
		p, err := a.ServicePrincipal(ctx, reg, u)
		if err != nil {
			return err
		}
		if _, _, err := a.ResetSecret(ctx, reg, u, authn.NewSecret{Append: true}); err != nil {
			return err
		}
		return a.DeleteSecret(ctx, reg, u, p.Secrets[0].ID)
	}, nil},
	"token disabled": {makeToken,
		func(ctx context.Context, a *authn.Authenticator, u string) error {
			return a.SetDisabled(ctx, reg, meta.KindToken, u, true)
		},
		func(ctx context.Context, a *authn.Authenticator, u string) error {
			return a.SetDisabled(ctx, reg, meta.KindToken, u, false)
		}},
	"token deleted": {makeToken, func(ctx context.Context, a *authn.Authenticator, u string) error { return a.DeleteToken(ctx, reg, u) }, nil},
	"token's password regenerated": {makeToken, func(ctx context.Context, a *authn.Authenticator, u string) error {
		_, _, err := a.GeneratePassword(ctx, reg, u, "password2", time.Time{})
		return err
	}, nil},
	"token's password deleted": {makeToken, func(ctx context.Context, a *authn.Authenticator, u string) error {
		return a.DeletePassword(ctx, reg, u, "password1", "password2")
	}, nil},
	"token's scope map replaced": {makeToken,
		func(ctx context.Context, a *authn.Authenticator, u string) error {
			return a.SetTokenScopeMap(ctx, reg, u, "others")
		},
		func(ctx context.Context, a *authn.Authenticator, u string) error {
			return a.SetTokenScopeMap(ctx, reg, u, "readers")
		}},
	"scope map changed": {makeToken, func(ctx context.Context, a *authn.Authenticator, _ string) error {
		return a.EditScopeMap(ctx, reg, "readers", func(m *meta.ScopeMap) error {
			m.Actions = []string{"repositories/own/*/metadata/read"}
			return nil
		})
	}, nil},
	"admin user disabled": {makeAdminUser,
		func(ctx context.Context, a *authn.Authenticator, _ string) error {
			return a.SetAdminUser(ctx, reg, false)
		},
		func(ctx context.Context, a *authn.Authenticator, _ string) error {
			return a.SetAdminUser(ctx, reg, true)
		}},
	"admin user's password renewed": {makeAdminUser, func(ctx context.Context, a *authn.Authenticator, _ string) error {
		return a.RenewAdminPassword(ctx, reg, "password")
	}, nil},
}

// TestRevoke is threat S9: whatever takes a right away counts at the next
// request, for every credential that was got before.
func TestRevoke(t *testing.T) {
	for name, c := range revocations {
		t.Run(name, func(t *testing.T) {
			s, _ := open(t, nil)
			newAdmin(t, s).seed("own/app")
			user, secret, err := c.make(t.Context(), s.authn)
			if err != nil {
				t.Fatal(err)
			}
			a := newAccount(t, s, user, secret)
			a.demand(true)
			if err := c.revoke(t.Context(), s.authn, user); err != nil {
				t.Fatal(err)
			}
			a.demand(false)
			if c.undo == nil {
				return
			}
			if err := c.undo(t.Context(), s.authn, user); err != nil {
				t.Fatal(err)
			}
			a.demand(true)
		})
	}
}

// TestAtOnce is threat S25: of twenty who do at once what one may do, one
// succeeds, or the last one's counts and nobody else's.
func TestAtOnce(t *testing.T) {
	s, _ := open(t, nil)
	if _, err := s.authn.CreateToken(t.Context(), reg, "robot", "_repositories_pull", false); err != nil {
		t.Fatal(err)
	}
	secrets := make([]string, 20)
	var created atomic.Int32
	var wg sync.WaitGroup
	for i := range secrets {
		wg.Go(func() {
			var err error
			if _, secrets[i], err = s.authn.GeneratePassword(t.Context(), reg, "robot", "password1", time.Time{}); err != nil {
				t.Error(err)
			}
			_, _, err = s.authn.CreateUser(t.Context(), reg, "ann", fmt.Sprint("a password of ", i), nil)
			if err == nil {
				created.Add(1)
			} else if !errors.Is(err, authn.ErrNameTaken) {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	good := 0
	for i, secret := range secrets {
		// Each from elsewhere, so that nothing is throttled.
		from := netip.AddrFrom4([4]byte{192, 0, 2, byte(i)})
		if _, err := s.authn.SignIn(t.Context(), reg, from, "robot", secret); err == nil {
			good++
		}
	}
	if good != 1 || created.Load() != 1 {
		t.Errorf("%d passwords are good, %d users were made", good, created.Load())
	}
}

// TestOtherPaths is threat S8: what a role may not do it may not do by another
// way either, also to a tag called latest.
func TestOtherPaths(t *testing.T) {
	s, _ := open(t, nil)
	admin := newAdmin(t, s)
	admin.seed("own/app")
	manifest := admin.ask("GET", "/v2/own/app/manifests/1.0", "")
	dgst := manifest.Header().Get("Docker-Content-Digest")
	for role, requests := range map[string][]string{
		"AcrPush": {
			"DELETE /v2/own/app/manifests/1.0", "DELETE /v2/own/app/manifests/" + dgst, "DELETE /v2/own/app/blobs/" + dgst,
			"DELETE /acr/v1/own/app", "DELETE /acr/v1/own%2Fapp", "DELETE /acr/v1/own/app/_tags/1.0", "PATCH /acr/v1/own/app/_tags/1.0",
		},
		"AcrPull": {
			"PUT /v2/own/app/manifests/1.0", "PUT /v2/own/app/manifests/latest", "PUT /v2/own/app/manifests/" + dgst + "?tag=1.0&tag=latest",
			"POST /v2/own/app/blobs/uploads/", "POST /v2/own/app/blobs/uploads/?mount=" + dgst + "&from=own/app", "POST /v2/own/app/_orlop/blobs/write",
		},
		"AcrDelete": {"GET /v2/own/app/manifests/1.0", "HEAD /v2/own/app/manifests/1.0", "GET /acr/v1/own/app", "PUT /v2/own/app/manifests/1.0"},
	} {
		c := principal(t, s, role, "")
		for _, request := range requests {
			method, path, _ := strings.Cut(request, " ")
			for _, by := range []*caller{c, c.bearer("repository:own/app:*")} {
				if w := by.ask(method, path, manifest.Body.String()); w.Code != 401 && w.Code != 403 {
					t.Errorf("%s: %s: %d %s", role, request, w.Code, w.Body)
				}
			}
		}
	}
	if w := admin.ask("GET", "/v2/own/app/tags/list", ""); !strings.Contains(w.Body.String(), `"tags":["1.0"]`) {
		t.Errorf("the tags have changed: %s", w.Body)
	}
}
