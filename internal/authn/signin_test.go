package authn

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/orlop/orlop/internal/authz"
	"github.com/orlop/orlop/internal/meta"
)

func TestHashes(t *testing.T) {
	secret := generate()
	if len(secret) < 52 || secret == generate() {
		t.Errorf("generated %q", secret)
	}
	if h := hashGenerated(secret); !matchGenerated(h, secret) || matchGenerated(h, secret+"x") || matchHuman(h, secret) {
		t.Error("a generated secret does not match itself, or matches another")
	}
	h := hashHuman("correct horse")
	if !matchHuman(h, "correct horse") || matchHuman(h, "correct horse ") || matchGenerated(h, "correct horse") {
		t.Error("a password does not match itself, or matches another")
	}
	if string(h) == string(hashHuman("correct horse")) {
		t.Error("two hashes of a password are equal")
	}
	for _, bad := range []string{"", "$argon2id$", "$argon2id$v=19$m=1,t=1,p=1$$", "$argon2id$v=18$m=1,t=1,p=1$AAAA$AAAAAAAAAAAAAAAAAAAAAA",
		"$argon2id$v=19$m=1,t=0,p=1$AAAA$AAAAAAAAAAAAAAAAAAAAAA", "$argon2id$v=19$m=4294967295,t=1,p=1$AAAA$AAAAAAAAAAAAAAAAAAAAAA"} {
		if matchHuman([]byte(bad), "") {
			t.Errorf("%q matches", bad)
		}
	}
}

func TestSignIn(t *testing.T) {
	e := newEnv(t)
	app, secret := e.application(authz.AcrPush, "samples/*")
	e.human("ann", "pass:word ü")
	e.human("off", "password", func(p *meta.Principal) { p.Disabled = true })

	s := e.good(basicAuth(app, secret))
	if s.Identity.ID != app || s.Means != Secret || s.Anonymous() {
		t.Errorf("%+v", s)
	}
	if !s.May(authz.Repository("samples/a", authz.Push)) || s.May(authz.Repository("other", authz.Pull)) {
		t.Error("its rights are not those of its role")
	}
	if s := e.good(basicAuth("ann", "pass:word ü")); s.Identity.Name != "ann" {
		t.Errorf("%+v", s.Identity)
	}
	if s := e.good(""); !s.Anonymous() || s.May(authz.Repository("samples/a", authz.Pull)) {
		t.Error("nobody has rights")
	}
	for _, wrong := range []string{
		basicAuth(app, secret+"x"), basicAuth(app, ""), basicAuth("", secret), basicAuth("", ""), basicAuth(secret, app),
		basicAuth("ann", secret), basicAuth("Ann", "pass:word ü"), basicAuth("off", "password"), basicAuth("nobody", "password"),
		basicAuth(NullUser, secret), "Bearer " + secret, "Basic", "Basic ", "Basic !", "Digest x", "x", " ",
		basicAuth(app, secret+"\x00"), "Basic " + strings.Repeat("A", 9000),
	} {
		e.bad(wrong)
		e.clock.pass(time.Hour) // no flood
	}
	if _, err := e.Authenticate(t.Context(), registry+1, here, basicAuth(app, secret)); !errors.Is(err, ErrBadCredentials) {
		t.Errorf("another registry accepts the secret: %v", err)
	}
}

func TestSecretExpires(t *testing.T) {
	e := newEnv(t)
	e.human("ann", "password", func(p *meta.Principal) { p.Secrets[0].Expires = e.clock.now().Add(time.Minute) })
	e.good(basicAuth("ann", "password"))
	e.clock.pass(59 * time.Second)
	e.good(basicAuth("ann", "password"))
	e.clock.pass(time.Second)
	e.bad(basicAuth("ann", "password"))
}

// TestRevoke has a removed principal, and a replaced secret, end at the next
// request, whatever was remembered.
func TestRevoke(t *testing.T) {
	for name, revoke := range map[string]func(e *env, app string) error{
		"delete": func(e *env, app string) error { return e.DeleteServicePrincipal(t.Context(), registry, app) },
		"reset": func(e *env, app string) error {
			_, _, err := e.ResetSecret(t.Context(), registry, app, NewSecret{})
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			e := newEnv(t)
			app, secret := e.application(authz.AcrPush, "")
			s := e.good(basicAuth(app, secret))
			shown := []string{
				basicAuth(app, secret),
				"Bearer " + e.access(s, "repository:a:pull"),
				basicAuth(NullUser, e.access(s, "repository:a:push")),
				basicAuth(NullUser, e.refresh(s)),
			}
			refresh := e.refresh(s)
			for _, a := range shown {
				e.good(a)
				e.good(a)
			}
			if err := revoke(e, app); err != nil {
				t.Fatal(err)
			}
			for _, a := range shown {
				e.bad(a)
			}
			if _, err := e.RefreshSession(t.Context(), registry, refresh); !errors.Is(err, ErrBadCredentials) {
				t.Errorf("the refresh token is good: %v", err)
			}
		})
	}
}

// TestRevokeAtOnce revokes while others sign in: once it is done, none gets in.
func TestRevokeAtOnce(t *testing.T) {
	e := newEnv(t)
	for range 20 {
		app, secret := e.application(authz.AcrPush, "")
		auth := basicAuth(app, secret)
		stop := make(chan struct{})
		var wg sync.WaitGroup
		for i := range 4 {
			wg.Go(func() {
				from := netip.AddrFrom4([4]byte{10, 0, 0, byte(i)})
				for {
					select {
					case <-stop:
						return
					default:
						e.Authenticate(context.Background(), registry, from, auth)
					}
				}
			})
		}
		if err := e.DeleteServicePrincipal(t.Context(), registry, app); err != nil {
			t.Fatal(err)
		}
		s, err := e.Authenticate(t.Context(), registry, here, auth)
		close(stop)
		wg.Wait()
		if err == nil {
			t.Fatalf("%s signed in after it was deleted", s.Identity.ID)
		}
	}
}

// TestOtherProcess has a change that somebody else makes in the store count
// within a minute.
func TestOtherProcess(t *testing.T) {
	e := newEnv(t)
	app, secret := e.application(authz.AcrPush, "")
	e.good(basicAuth(app, secret))
	if ok, err := e.db.DeletePrincipal(t.Context(), registry, meta.KindServicePrincipal, app); !ok || err != nil {
		t.Fatal(ok, err)
	}
	e.clock.pass(identityTTL)
	e.bad(basicAuth(app, secret))
}

// TestUnknownCosts has a wrong password be hashed whether or not its user
// exists: both wait for a free core here, and see their client go away.
func TestUnknownCosts(t *testing.T) {
	e := newEnv(t)
	e.human("ann", "password")
	e.human("off", "password", func(p *meta.Principal) { p.Disabled = true })
	if _, err := e.EnsureAdmin(t.Context(), ""); err != nil { // has a generated secret
		t.Fatal(err)
	}
	for range runtime.GOMAXPROCS(0) {
		e.hashing <- struct{}{}
	}
	for _, user := range []string{"ann", "off", "admin", "unknown"} {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := e.signIn(ctx, registry, here, user, "wrong"); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: the password was not hashed: %v", user, err)
		}
	}
}

// TestFlood is threat S15: wrong passwords are throttled where they come from,
// and keep nobody out elsewhere.
func TestFlood(t *testing.T) {
	e := newEnv(t)
	app, secret := e.application(authz.AcrPull, "")
	e.human("ann", "password")
	good := basicAuth("ann", "password")
	e.good(good)

	for _, user := range []string{app, "ann"} {
		throttled := 0
		for i := range 100 {
			_, err := e.Authenticate(t.Context(), registry, here, basicAuth(user, fmt.Sprint("guess", i)))
			if th, ok := errors.AsType[*ThrottledError](err); ok {
				throttled++
				if th.After <= 0 || th.After > pairInterval {
					t.Fatalf("wait %v", th.After)
				}
			} else if !errors.Is(err, ErrBadCredentials) {
				t.Fatal(err)
			}
		}
		if throttled != 100-pairBurst {
			t.Errorf("%d of 100 guesses at %s were throttled", throttled, user)
		}
	}
	e.good(good)                   // it is remembered
	e.good(basicAuth(app, secret)) // it cannot be guessed
	forget := func() { e.sessions = newCache[sessionKey, *Session](maxSessions) }
	forget()
	elsewhere := netip.MustParseAddr("198.51.100.7")
	if _, err := e.Authenticate(t.Context(), registry, elsewhere, good); err != nil {
		t.Errorf("the same account from elsewhere: %v", err)
	}
	forget()
	if _, err := e.Authenticate(t.Context(), registry, here, good); err == nil {
		t.Error("who guesses right after too many guesses gets in")
	}
	e.clock.pass(pairInterval)
	e.good(good)
}

// TestFloodOfNames has an address that tries ever other names be throttled too.
func TestFloodOfNames(t *testing.T) {
	e := newEnv(t)
	last := error(nil)
	for i := range addrBurst + 1 {
		from := netip.MustParseAddr(fmt.Sprintf("2001:db8::%x", i+1)) // one customer
		_, last = e.Authenticate(t.Context(), registry, from, basicAuth(fmt.Sprintf("00000000-0000-4000-8000-%012d", i), "guess"))
	}
	if _, ok := errors.AsType[*ThrottledError](last); !ok {
		t.Errorf("the last of many names: %v", last)
	}
}

func TestGuardIsBounded(t *testing.T) {
	g := newGuard()
	now := time.Now()
	for i := range 3 * maxWatched {
		g.failed(now, netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), strings.Repeat("x", 100))
	}
	if len(g.pairs.m) > maxWatched || len(g.addrs.m) > maxWatched {
		t.Errorf("%d pairs and %d addresses are watched", len(g.pairs.m), len(g.addrs.m))
	}
}

func TestCachesAreBounded(t *testing.T) {
	c := newCache[int, int](10)
	for i := range 100 {
		c.put(i, i)
	}
	if len(c.m) != 10 {
		t.Errorf("%d entries of 10", len(c.m))
	}
	if v, ok := c.get(99); !ok || v != 99 {
		t.Error("the newest is gone")
	}
	e := newEnv(t)
	var first *Identity
	for i := range maxPeople + 10 {
		id := e.people.remember(meta.Principal{ID: fmt.Sprint(i)}, e.people.version())
		if first == nil {
			first = id
		}
	}
	if len(e.people.byID) != maxPeople {
		t.Errorf("%d identities are remembered", len(e.people.byID))
	}
	for id, p := range e.people.byID {
		if p.stale.Load() {
			t.Errorf("%v is remembered and stale", id)
		}
	}
	if _, kept := e.people.byID[person{first.Registry, first.ID}]; !kept && !first.stale.Load() {
		t.Error("a forgotten identity does not know of it")
	}
}

// TestOneHash has a client that opens many connections wait for one hash.
func TestOneHash(t *testing.T) {
	e := newEnv(t)
	e.human("ann", "password")
	for range cap(e.hashing) {
		e.hashing <- struct{}{}
	}
	var wg sync.WaitGroup
	for range 4 * maxWaiting {
		wg.Go(func() {
			if _, err := e.Authenticate(context.Background(), registry, here, basicAuth("ann", "password")); err != nil {
				t.Error(err)
			}
		})
	}
	for range cap(e.hashing) {
		<-e.hashing
	}
	wg.Wait()
}

// TestNoSecretInLog signs in rightly and wrongly and looks for what was typed.
func TestNoSecretInLog(t *testing.T) {
	e := newEnv(t)
	app, secret := e.application(authz.AcrPull, "")
	s := e.good(basicAuth(app, secret))
	e.bad(basicAuth(app, "wr0ng-secret"))
	e.bad(basicAuth("pa55word-as-user", "x"))
	e.bad("Bearer " + e.access(s) + "x")
	if !strings.Contains(e.log.String(), "sign-in failed") {
		t.Error("failed sign-ins are not logged")
	}
	for _, typed := range []string{secret, "wr0ng-secret", "pa55word-as-user", "eyJ"} {
		if strings.Contains(e.log.String(), typed) {
			t.Errorf("the log shows %q:\n%s", typed, e.log)
		}
	}
}

func BenchmarkAuthenticate(b *testing.B) {
	e := newEnv(b)
	p, secret, err := e.CreateServicePrincipal(b.Context(), registry, "ci", []meta.RoleAssignment{{Role: authz.AcrPush}})
	if err != nil {
		b.Fatal(err)
	}
	basic := basicAuth(p.Name, secret)
	s, err := e.Authenticate(b.Context(), registry, here, basic)
	if err != nil {
		b.Fatal(err)
	}
	token, err := e.AccessToken(s, registry, "r.example", authz.ParseScopes("repository:samples/artifact:pull,push"))
	if err != nil {
		b.Fatal(err)
	}
	for name, auth := range map[string]string{"basic": basic, "bearer": "Bearer " + token} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := e.Authenticate(b.Context(), registry, here, auth); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkHashHuman(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		hashHuman("correct horse")
	}
}
