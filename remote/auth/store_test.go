package auth_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/orlop/orlop"
	"github.com/orlop/orlop/remote/auth"
)

// mapStore is a TokenStore in memory. It outlives the transports of a test, as
// files outlive processes.
type mapStore struct {
	mu sync.Mutex
	m  map[string]auth.StoredToken
}

func (s *mapStore) Load(key string) (auth.StoredToken, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t, ok := s.m[key]
	return t, ok
}

func (s *mapStore) Save(key string, t auth.StoredToken) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.m == nil {
		s.m = map[string]auth.StoredToken{}
	}
	s.m[key] = t
}

func (s *mapStore) Delete(key string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.m, key)
}

// change changes every entry with a token.
func (s *mapStore) change(f func(*auth.StoredToken)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for key, t := range s.m {
		if len(t.Scopes) > 0 {
			f(&t)
			s.m[key] = t
		}
	}
}

// text is all that the store holds.
func (s *mapStore) text(t *testing.T) string {
	t.Helper()
	raw, err := json.Marshal(s.m)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

// process returns the transport of a new process that uses the store.
func (s *mapStore) process(h http.Handler, c auth.Credential) *auth.Transport {
	return auth.NewTransport(handlerTransport{h}, auth.Options{
		Origin: &url.URL{Scheme: "http", Host: host}, Credential: auth.Static(c), Tokens: s,
	})
}

var alice = auth.Credential{Username: "alice", Password: "s3cret"}

// The first request of a second process carries the token of the first.
func TestTokensOutliveProcesses(t *testing.T) {
	for _, c := range []auth.Credential{{}, alice, {RefreshToken: "s3cret"}} {
		s, store := &service{scope: "repository:a:pull"}, &mapStore{}
		for range 3 {
			resp, err := do(t, store.process(s, c), nil, auth.Scope("a", "pull"))
			wantStatus(t, resp, err, http.StatusOK)
			if auth.Authenticated(resp) == c.IsZero() {
				t.Errorf("%v: authenticated: %t", c, !c.IsZero())
			}
		}
		if len(s.asked) != 1 || s.denied != 1 {
			t.Errorf("%v: %d token requests and %d refusals, want 1 of each", c, len(s.asked), s.denied)
		}
		if text := store.text(t); strings.Contains(text, "s3cret") || strings.Contains(text, "alice") {
			t.Errorf("%v: the store tells who asks: %s", c, text)
		}
		for key := range store.m {
			if !regexp.MustCompile(`^[0-9a-f]{64}$`).MatchString(key) {
				t.Errorf("key %q", key)
			}
		}
	}
}

func TestStoredTokenCoversWhatItIsFor(t *testing.T) {
	s, store := &service{scope: "repository:a:pull"}, &mapStore{}
	for _, step := range []struct {
		scopes []string
		tokens int // asked for so far
	}{
		{[]string{auth.Scope("a", "pull")}, 1},
		{[]string{auth.Scope("a", "pull", "push")}, 2},
		{[]string{auth.Scope("a", "pull")}, 2},
		{[]string{auth.Scope("a", "delete")}, 3},
		{[]string{auth.Scope("b", "pull")}, 4},
		{[]string{auth.Scope("a", "pull"), auth.Scope("b", "pull")}, 5},
		{[]string{auth.Scope("b", "pull")}, 5},
	} {
		resp, err := do(t, store.process(s, alice), nil, step.scopes...)
		wantStatus(t, resp, err, http.StatusOK)
		if len(s.asked) != step.tokens || s.denied != 1 {
			t.Errorf("%q: %d token requests, want %d; %d refusals", step.scopes, len(s.asked), step.tokens, s.denied)
		}
	}
}

// A challenge that names more than the request knew to ask for is not met
// again.
func TestStoredTokenOfWiderScope(t *testing.T) {
	s, store := &service{scope: "repository:library/a:pull"}, &mapStore{}
	for range 3 {
		resp, err := do(t, store.process(s, alice), nil, auth.Scope("a", "pull"))
		wantStatus(t, resp, err, http.StatusOK)
	}
	if len(s.asked) != 1 || s.denied != 1 {
		t.Errorf("%d token requests and %d refusals, want 1 of each", len(s.asked), s.denied)
	}
}

func TestStoredTokenIsOfWhoAsks(t *testing.T) {
	s, store := &service{scope: "repository:a:pull"}, &mapStore{}
	for i, c := range []auth.Credential{
		alice, {Username: "alice", Password: "other"}, {Username: "bob", Password: "s3cret"},
		{RefreshToken: "s3cret"}, {Username: "alice", RefreshToken: "s3cret"}, {},
	} {
		resp, err := do(t, store.process(s, c), nil, s.scope)
		wantStatus(t, resp, err, http.StatusOK)
		if len(s.asked) != i+1 {
			t.Errorf("%v: used the token of another", c)
		}
	}
}

// The credentials themselves are proved anew each time: login depends on it.
func TestTokenForNothingIsNotStored(t *testing.T) {
	s, store := &service{}, &mapStore{}
	for i := range 3 {
		resp, err := do(t, store.process(s, alice), nil)
		wantStatus(t, resp, err, http.StatusOK)
		if len(s.asked) != i+1 {
			t.Errorf("%d token requests by process %d", len(s.asked), i+1)
		}
	}
	if text := store.text(t); strings.Contains(text, "token-") {
		t.Errorf("stored: %s", text)
	}
}

func TestAccessTokenIsNotStored(t *testing.T) {
	s, store := &service{scope: "repository:a:pull", valid: map[string]bool{"s3cret": true}}, &mapStore{}
	for range 2 {
		resp, err := do(t, store.process(s, auth.Credential{AccessToken: "s3cret"}), nil, s.scope)
		wantStatus(t, resp, err, http.StatusOK)
	}
	if text := store.text(t); strings.Contains(text, "s3cret") || len(s.asked) != 0 {
		t.Errorf("stored %s, asked %q", text, s.asked)
	}
}

func TestRefusedStoredTokenIsReplaced(t *testing.T) {
	s, store := &service{scope: "repository:a:pull"}, &mapStore{}
	for i := range 3 {
		resp, err := do(t, store.process(s, alice), strings.NewReader("body"), s.scope)
		wantStatus(t, resp, err, http.StatusOK)
		if len(s.asked) != i+1 {
			t.Errorf("%d token requests, want %d", len(s.asked), i+1)
		}
		s.revoke()
	}
	s.answer = func(w http.ResponseWriter, _ *http.Request) bool {
		w.WriteHeader(http.StatusUnauthorized)
		return true
	}
	if _, err := do(t, store.process(s, alice), nil, s.scope); err == nil {
		t.Error("no error")
	}
	if text := store.text(t); strings.Contains(text, "token-") {
		t.Errorf("a refused token is still there: %s", text)
	}
}

func TestStoredTokenExpires(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, store := &service{scope: "repository:a:pull", expiresIn: 300}, &mapStore{}
		for _, tokens := range []int{1, 1, 2} {
			resp, err := do(t, store.process(s, alice), nil, s.scope)
			wantStatus(t, resp, err, http.StatusOK)
			if len(s.asked) != tokens {
				t.Errorf("%d token requests, want %d", len(s.asked), tokens)
			}
			time.Sleep(200 * time.Second)
		}
		if s.denied != 1 {
			t.Errorf("an expired token was sent: %d refusals", s.denied)
		}
	})
}

// What is in the store may be anything.
func TestDamagedStore(t *testing.T) {
	for name, change := range map[string]func(*auth.StoredToken){
		"empty":        func(e *auth.StoredToken) { *e = auth.StoredToken{} },
		"header split": func(e *auth.StoredToken) { e.Value = "a\r\nX: y" },
		"eternal":      func(e *auth.StoredToken) { e.Expires = time.Now().AddDate(1000, 0, 0) },
		"other scope":  func(e *auth.StoredToken) { e.Scopes = []string{"repository:b:pull"} },
		"other token":  func(e *auth.StoredToken) { e.Value = "unknown" },
	} {
		t.Run(name, func(t *testing.T) {
			s, store := &service{scope: "repository:a:pull"}, &mapStore{}
			for range 2 {
				resp, err := do(t, store.process(s, alice), nil, s.scope)
				wantStatus(t, resp, err, http.StatusOK)
				store.change(change)
			}
			if len(s.asked) != 2 {
				t.Errorf("%d token requests, want 2", len(s.asked))
			}
		})
	}
}

// A registry that has another token service by now, or none, is asked itself.
func TestStaleChallenge(t *testing.T) {
	s, store := &service{scope: "repository:a:pull"}, &mapStore{}
	resp, err := do(t, store.process(s, alice), nil, s.scope)
	wantStatus(t, resp, err, http.StatusOK)
	gone := func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNotFound) }

	open := http.NewServeMux() // asks for nothing any more
	open.HandleFunc("/token", gone)
	open.HandleFunc("/v2/", func(http.ResponseWriter, *http.Request) {})
	for range 2 {
		resp, err = do(t, store.process(open, alice), nil, auth.Scope("b", "pull"))
		wantStatus(t, resp, err, http.StatusOK)
	}
}

// Basic authentication is remembered too, and never used for another origin.
func TestBasicIsRemembered(t *testing.T) {
	refused := 0
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, _, ok := r.BasicAuth(); !ok {
			refused++
			w.Header().Set("Www-Authenticate", `Basic realm="x"`)
			w.WriteHeader(http.StatusUnauthorized)
		}
	})
	store := &mapStore{}
	for range 3 {
		resp, err := do(t, store.process(h, alice), nil)
		wantStatus(t, resp, err, http.StatusOK)
	}
	if refused != 1 {
		t.Errorf("%d refusals, want 1", refused)
	}
	other := auth.NewTransport(handlerTransport{h}, auth.Options{
		Origin: &url.URL{Scheme: "https", Host: host}, Credential: auth.Static(alice), Tokens: store,
	})
	resp, err := other.RoundTrip(httptest.NewRequest(http.MethodGet, "https://"+host+"/v2/", nil))
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if refused != 2 {
		t.Error("what was learned without TLS is used with TLS")
	}
}

// A wrong password is tried once, also where the token service is remembered.
func TestWrongPasswordIsTriedOnce(t *testing.T) {
	s, store := &service{scope: "repository:a:pull"}, &mapStore{}
	resp, err := do(t, store.process(s, alice), nil, s.scope)
	wantStatus(t, resp, err, http.StatusOK)
	s.answer = func(w http.ResponseWriter, _ *http.Request) bool {
		w.WriteHeader(http.StatusUnauthorized)
		return true
	}
	for i := range 2 {
		_, err = do(t, store.process(s, auth.Credential{Username: "alice", Password: "wrong"}), strings.NewReader("body"), s.scope)
		if !errors.Is(err, orlop.ErrUnauthorized) || len(s.asked) != 2+i {
			t.Errorf("%v after asking %q", err, s.asked)
		}
	}
}
