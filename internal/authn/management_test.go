package authn

import (
	"errors"
	"strings"
	"testing"

	"github.com/orlop/orlop/internal/authz"
	"github.com/orlop/orlop/internal/meta"
)

// FuzzExchange shows whatever as a token of the management plane: only the one
// that was issued gets in.
func FuzzExchange(f *testing.F) {
	e := newEnv(f)
	p, secret, err := e.CreateServicePrincipal(f.Context(), registry, "ci", []meta.RoleAssignment{{Role: authz.AcrPull}})
	if err != nil {
		f.Fatal(err)
	}
	s, err := e.SignIn(f.Context(), registry, here, p.Name, secret)
	if err != nil {
		f.Fatal(err)
	}
	good, _, err := e.IssueManagementToken(f.Context(), s, "https://management.example/")
	if err != nil {
		f.Fatal(err)
	}
	refresh, _, err := e.RefreshToken(s, registry, "r.example")
	if err != nil {
		f.Fatal(err)
	}
	header, _, _ := strings.Cut(good, ".")
	for _, seed := range []string{good, refresh, "", "..", header + ".e30.", good + "x", good[:len(good)-1]} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, token string) {
		got, err := e.ExchangeSession(t.Context(), registry, token)
		switch {
		case token == good && (err != nil || got.Identity.ID != p.ID):
			t.Errorf("the good one: %v", err)
		case err != nil && !errors.Is(err, ErrBadCredentials):
			t.Errorf("%q: %v", token, err)
		case err == nil && (got.Identity.ID != p.ID || got.Means != Management): // the last bits of a signature have several spellings
			t.Errorf("%q: %+v", token, got)
		}
	})
}

// TestManagementTokenOfARegistry: a token of one registry is none of another,
// and only somebody who has signed in gets one.
func TestManagementTokenOfARegistry(t *testing.T) {
	e := newEnv(t)
	app, secret := e.application(authz.AcrPull, "")
	s := e.good(basicAuth(app, secret))
	token, _, err := e.IssueManagementToken(t.Context(), s, "https://management.example/")
	if err != nil {
		t.Fatal(err)
	}
	if got, err := e.VerifyManagementToken(t.Context(), registry, token); err != nil || got.Identity.ID != app || got.Means != Management {
		t.Errorf("%+v, %v", got, err)
	}
	if _, err := e.VerifyManagementToken(t.Context(), registry+1, token); !errors.Is(err, ErrBadCredentials) {
		t.Errorf("in another registry: %v", err)
	}
	for name, other := range map[string]*Session{
		"nobody": {}, "an access token": e.good("Bearer " + e.access(s)), "a refresh token": e.good(basicAuth(NullUser, e.refresh(s))),
	} {
		if _, _, err := e.IssueManagementToken(t.Context(), other, "x"); !errors.Is(err, ErrBadCredentials) {
			t.Errorf("%s: %v", name, err)
		}
	}
	e.clock.pass(ManagementTTL)
	if _, err := e.VerifyManagementToken(t.Context(), registry, token); !errors.Is(err, ErrBadCredentials) {
		t.Errorf("after its time: %v", err)
	}
}
