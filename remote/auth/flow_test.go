package auth_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/orlop/orlop"
	"github.com/orlop/orlop/remote/auth"
)

// service is a registry with its token service: every request needs a token
// that it has given and not revoked.
type service struct {
	scope     string // of the challenge
	expiresIn int    // seconds; 0: not said
	answer    func(w http.ResponseWriter, r *http.Request) bool

	mu     sync.Mutex
	valid  map[string]bool
	asked  []string // token requests
	served int      // requests with a good token
	denied int      // others
}

func (s *service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r.URL.Path == "/token" {
		s.token(w, r)
		return
	}
	if s.valid[strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")] {
		s.served++
		_, _ = io.Copy(w, r.Body)
		return
	}
	s.denied++
	w.Header().Set("Www-Authenticate", fmt.Sprintf(`Bearer realm="http://%s/token",service="s",scope="%s"`, r.Host, s.scope))
	w.WriteHeader(http.StatusUnauthorized)
}

func (s *service) token(w http.ResponseWriter, r *http.Request) {
	_ = r.ParseForm()
	user, password, _ := r.BasicAuth()
	s.asked = append(s.asked, strings.TrimSpace(fmt.Sprintf("%s %s:%s %s", r.Method, user, password, r.Form.Encode())))
	if s.answer != nil && s.answer(w, r) {
		return
	}
	value := fmt.Sprintf("token-%d", len(s.asked))
	if s.valid == nil {
		s.valid = map[string]bool{}
	}
	s.valid[value] = true
	if s.expiresIn > 0 {
		fmt.Fprintf(w, `{"token":%q,"expires_in":%d}`, value, s.expiresIn)
		return
	}
	fmt.Fprintf(w, `{"access_token":%q}`, value)
}

func (s *service) revoke() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.valid)
}

// handlerTransport serves requests without a network, so that it runs in the
// bubble of synctest.
type handlerTransport struct{ h http.Handler }

func (t handlerTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.Body == nil {
		req.Body = http.NoBody
	}
	w := httptest.NewRecorder()
	t.h.ServeHTTP(w, req)
	resp := w.Result()
	resp.Request = req
	return resp, nil
}

const host = "registry.example:5000"

func newTransport(h http.Handler, c auth.Credential) *auth.Transport {
	return auth.NewTransport(handlerTransport{h}, auth.Options{
		Origin: &url.URL{Scheme: "http", Host: host}, Credential: auth.Static(c),
	})
}

// do sends a request for scopes and returns the answer, its body closed.
func do(t *testing.T, rt http.RoundTripper, body io.Reader, scopes ...string) (*http.Response, error) {
	t.Helper()
	ctx := auth.WithScopes(t.Context(), host, scopes...)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+host+"/v2/", body)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := rt.RoundTrip(req)
	if err == nil {
		_ = resp.Body.Close()
	}
	return resp, err
}

func wantStatus(t *testing.T, resp *http.Response, err error, want int) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode != want {
		t.Fatalf("status %d, want %d", resp.StatusCode, want)
	}
}

func TestTokenRequests(t *testing.T) {
	refuseGet := func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodGet {
			w.WriteHeader(http.StatusMethodNotAllowed)
		}
		return r.Method == http.MethodGet
	}
	const scope = "repository:a:pull"
	tests := map[string]struct {
		cred   auth.Credential
		answer func(http.ResponseWriter, *http.Request) bool
		want   []string
	}{
		"anonymous": {auth.Credential{}, nil, []string{"GET : scope=repository%3Aa%3Apull&service=s"}},
		"password":  {auth.Credential{Username: "u", Password: "p"}, nil, []string{"GET u:p scope=repository%3Aa%3Apull&service=s"}},
		"identity token": {auth.Credential{RefreshToken: "r"}, nil, []string{
			"POST : client_id=orlop&grant_type=refresh_token&refresh_token=r&scope=repository%3Aa%3Apull&service=s",
		}},
		"password by OAuth2 only": {auth.Credential{Username: "u", Password: "p"}, refuseGet, []string{
			"GET u:p scope=repository%3Aa%3Apull&service=s",
			"POST : client_id=orlop&grant_type=password&password=p&scope=repository%3Aa%3Apull&service=s&username=u",
		}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			s := &service{scope: scope, answer: tt.answer}
			resp, err := do(t, newTransport(s, tt.cred), strings.NewReader("body"), scope)
			wantStatus(t, resp, err, http.StatusOK)
			if !slices.Equal(s.asked, tt.want) {
				t.Errorf("asked for tokens with %q, want %q", s.asked, tt.want)
			}
			if got := auth.Authenticated(resp); got == tt.cred.IsZero() {
				t.Errorf("authenticated: %t", got)
			}
		})
	}
}

func TestTokensAreKept(t *testing.T) {
	s := &service{scope: "repository:a:pull"}
	rt := newTransport(s, auth.Credential{})
	hint := auth.Scope("a", "pull", "push")
	for range 3 {
		resp, err := do(t, rt, nil, hint)
		wantStatus(t, resp, err, http.StatusOK)
		resp, err = do(t, rt, nil, auth.Scope("a", "pull")) // which the first token covers
		wantStatus(t, resp, err, http.StatusOK)
	}
	if len(s.asked) != 1 || s.denied != 1 {
		t.Errorf("%d token requests and %d refusals, want 1 of each", len(s.asked), s.denied)
	}
	resp, err := do(t, rt, nil, auth.Scope("b", "pull"))
	wantStatus(t, resp, err, http.StatusOK)
	if len(s.asked) != 2 || s.denied != 1 {
		t.Errorf("%d token requests and %d refusals; want 2 and 1: the second token ahead", len(s.asked), s.denied)
	}
}

func TestRevokedTokenIsReplaced(t *testing.T) {
	s := &service{scope: "repository:a:pull"}
	rt := newTransport(s, auth.Credential{})
	for range 3 {
		resp, err := do(t, rt, strings.NewReader("body"), s.scope)
		wantStatus(t, resp, err, http.StatusOK)
		s.revoke()
	}
	if len(s.asked) != 3 {
		t.Errorf("%d token requests, want 3", len(s.asked))
	}
	// A body that cannot be rewound gets the refusal; the next request passes.
	resp, err := do(t, rt, io.MultiReader(strings.NewReader("body")), s.scope)
	wantStatus(t, resp, err, http.StatusUnauthorized)
	resp, err = do(t, rt, nil, s.scope)
	wantStatus(t, resp, err, http.StatusOK)
}

func TestTokenExpires(t *testing.T) {
	for _, tt := range []struct{ expiresIn, seconds, tokens int }{
		{300, 280, 1}, {300, 300, 2}, {0, 50, 1}, {0, 60, 2}, {10, 8, 1}, {10, 10, 2},
	} {
		synctest.Test(t, func(t *testing.T) {
			s := &service{scope: "repository:a:pull", expiresIn: tt.expiresIn}
			rt := newTransport(s, auth.Credential{})
			for range 2 {
				resp, err := do(t, rt, nil, s.scope)
				wantStatus(t, resp, err, http.StatusOK)
				time.Sleep(time.Duration(tt.seconds) * time.Second)
			}
			if len(s.asked) != tt.tokens || s.denied != 1 {
				t.Errorf("expires in %d, used after %d s: %d tokens and %d refusals", tt.expiresIn, tt.seconds, len(s.asked), s.denied)
			}
		})
	}
}

func TestManyRequestsAskOnce(t *testing.T) {
	s := &service{scope: "repository:a:pull"}
	rt := newTransport(s, auth.Credential{})
	var all sync.WaitGroup
	for range 32 {
		all.Go(func() {
			resp, err := do(t, rt, nil, s.scope)
			if err != nil || resp.StatusCode != http.StatusOK {
				t.Errorf("request: %v", err)
			}
		})
	}
	all.Wait()
	if len(s.asked) != 1 {
		t.Errorf("%d token requests, want 1", len(s.asked))
	}
}

// TestEndlessRefusal: a registry that takes no token is asked a bounded number
// of times.
func TestEndlessRefusal(t *testing.T) {
	s := &service{scope: "repository:a:pull"}
	rt := newTransport(s, auth.Credential{Username: "u", Password: "p"})
	s.answer = func(w http.ResponseWriter, _ *http.Request) bool {
		_, _ = io.WriteString(w, `{"token":"useless"}`)
		return true
	}
	for i := range 2 {
		resp, err := do(t, rt, nil, s.scope)
		wantStatus(t, resp, err, http.StatusUnauthorized)
		if !auth.Authenticated(resp) {
			t.Errorf("request %d: not authenticated", i)
		}
	}
	if s.denied != 3 || len(s.asked) != 2 {
		t.Errorf("%d refusals and %d token requests, want 3 and 2", s.denied, len(s.asked))
	}
}

func TestBadTokenAnswers(t *testing.T) {
	write := func(status int, body string) func(http.ResponseWriter, *http.Request) bool {
		return func(w http.ResponseWriter, _ *http.Request) bool {
			w.WriteHeader(status)
			_, _ = io.WriteString(w, body)
			return true
		}
	}
	endless := func(w http.ResponseWriter, _ *http.Request) bool {
		_, _ = io.WriteString(w, `{"token":"`)
		for range 8 {
			_, _ = io.WriteString(w, strings.Repeat("a", 1<<20))
		}
		return true
	}
	redirect := func(w http.ResponseWriter, r *http.Request) bool {
		http.Redirect(w, r, "http://elsewhere.example/token", http.StatusTemporaryRedirect)
		return true
	}
	tests := map[string]struct {
		answer func(http.ResponseWriter, *http.Request) bool
		want   error // nil: any
	}{
		"refused":      {write(401, `{"errors":[{"code":"UNAUTHORIZED","message":"no such user"}]}`), orlop.ErrUnauthorized},
		"bad grant":    {write(400, `{"error":"invalid_grant"}`), orlop.ErrUnauthorized},
		"forbidden":    {write(403, ""), orlop.ErrDenied},
		"down":         {write(503, "<html>"), orlop.ErrUnavailable},
		"redirected":   {redirect, nil},
		"endless":      {endless, nil},
		"no JSON":      {write(200, "token"), nil},
		"no token":     {write(200, "{}"), nil},
		"header split": {write(200, `{"token":"a\r\nX: y"}`), nil},
		"not a string": {write(200, `{"token":{}}`), nil},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			s := &service{scope: "repository:a:pull", answer: tt.answer}
			_, err := do(t, newTransport(s, auth.Credential{Username: "u", Password: "s3cret"}), nil, s.scope)
			if err == nil || tt.want != nil && !errors.Is(err, tt.want) {
				t.Fatalf("error %v, want %v", err, tt.want)
			}
			if strings.Contains(err.Error(), "s3cret") || len(err.Error()) > 1000 {
				t.Errorf("error tells too much: %.2000s", err)
			}
		})
	}
}

func TestBasic(t *testing.T) {
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if user, password, _ := r.BasicAuth(); user != "u" || password != "p" {
			w.Header().Set("Www-Authenticate", `Basic realm="x"`)
			w.WriteHeader(http.StatusUnauthorized)
		}
	})
	for name, tt := range map[string]struct {
		cred auth.Credential
		want int
	}{
		"right":     {auth.Credential{Username: "u", Password: "p"}, http.StatusOK},
		"wrong":     {auth.Credential{Username: "u", Password: "x"}, http.StatusUnauthorized},
		"anonymous": {auth.Credential{}, http.StatusUnauthorized},
	} {
		t.Run(name, func(t *testing.T) {
			resp, err := do(t, newTransport(h, tt.cred), nil)
			wantStatus(t, resp, err, tt.want)
			if auth.Authenticated(resp) {
				t.Error("a password that nobody has checked counts as authenticated")
			}
		})
	}
}

func TestAccessTokenIsSentAsItIs(t *testing.T) {
	s := &service{scope: "repository:a:pull", valid: map[string]bool{"mine": true}}
	resp, err := do(t, newTransport(s, auth.Credential{AccessToken: "mine"}), nil, s.scope)
	wantStatus(t, resp, err, http.StatusOK)
	if len(s.asked) != 0 {
		t.Errorf("asked for tokens: %q", s.asked)
	}
}

func TestCredentialHidesSecrets(t *testing.T) {
	for _, c := range []auth.Credential{
		{Username: "u", Password: "s3cret"}, {RefreshToken: "s3cret"}, {AccessToken: "s3cret"},
	} {
		if text := fmt.Sprintf("%v %+v %#v %s %v", c, c, c, c, c.LogValue()); strings.Contains(text, "s3cret") {
			t.Error(text)
		}
	}
}
