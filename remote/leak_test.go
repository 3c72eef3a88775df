package remote_test

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/orlop/orlop"
	"github.com/orlop/orlop/remote"
	"github.com/orlop/orlop/remote/auth"
)

// elsewhere is another origin: the same address, another port. It must never
// see what belongs to the registry.
func elsewhere(t *testing.T, content string) *fake {
	t.Helper()
	f := newFake(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		_, _ = io.WriteString(w, content)
	})
	t.Cleanup(func() {
		for _, name := range []string{"Authorization", "X-Secret", "Cookie", "Referer"} {
			if got := f.headers(name); len(got) > 0 {
				t.Errorf("another origin got %s: %q", name, got)
			}
		}
	})
	return f
}

// signedIn demands Basic before h sees a request.
func signedIn(h http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if _, password, _ := r.BasicAuth(); password != "s3cret" {
			w.Header().Set("Www-Authenticate", `Basic realm="x"`)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		if r.Header.Get("X-Secret") != "mine" {
			w.WriteHeader(http.StatusTeapot)
			return
		}
		h(w, r)
	}
}

func secretOptions() remote.Options {
	return remote.Options{
		Credential: auth.Static(auth.Credential{Username: "u", Password: "s3cret"}),
		Header:     http.Header{"x-secret": {"mine"}},
	}
}

func TestRedirectCarriesNoSecrets(t *testing.T) {
	content := "the content"
	dgst := digest.FromString(content)
	other := elsewhere(t, content)
	f := newFake(t, signedIn(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, other.URL+"/object?signature=s", http.StatusTemporaryRedirect)
	}))
	r := f.open(t, secretOptions())
	b, err := r.OpenBlob(t.Context(), "a", dgst, 0, -1)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	if got, err := io.ReadAll(b); string(got) != content || err != nil {
		t.Errorf("read %q, %v", got, err)
	}
	if _, err := r.Manifest(t.Context(), "a", string(dgst)); err != nil {
		t.Error(err)
	}
	if len(other.seen()) != 2 {
		t.Errorf("the other origin was asked %q", other.seen())
	}
}

func TestWriteIsNotRedirectedElsewhere(t *testing.T) {
	other := elsewhere(t, "")
	for _, status := range []int{301, 302, 303, 307, 308} {
		f := newFake(t, signedIn(func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, other.URL+r.URL.Path, status)
		}))
		r := f.open(t, secretOptions())
		err := r.PushBlob(t.Context(), "a", orlop.Descriptor{Digest: digest.FromString("b"), Size: 1}, strings.NewReader("b"))
		if !errors.Is(err, remote.ErrRedirect) {
			t.Errorf("%d for POST: %v", status, err)
		}
		if err := r.DeleteTag(t.Context(), "a", "tag"); !errors.Is(err, remote.ErrRedirect) {
			t.Errorf("%d for DELETE: %v", status, err)
		}
	}
	if len(other.seen()) != 0 {
		t.Errorf("the other origin was asked %q", other.seen())
	}
}

func TestUploadLocationElsewhere(t *testing.T) {
	other := elsewhere(t, "")
	for _, location := range []string{other.URL + "/upload", strings.Replace(other.URL, "http:", "", 1) + "/u", "https://%s/u", "http://u:p@%s/u", "", "\x7f", "http://[::1"} {
		f := newFake(t, nil)
		f.Config.Handler = signedIn(func(w http.ResponseWriter, r *http.Request) {
			w.Header()["Location"] = []string{strings.Replace(location, "%s", f.host(), 1)}
			w.WriteHeader(http.StatusAccepted)
		})
		r := f.open(t, secretOptions())
		err := r.PushBlob(t.Context(), "a", orlop.Descriptor{Digest: digest.FromString("b"), Size: 1}, strings.NewReader("b"))
		if err == nil {
			t.Errorf("location %q was followed", location)
		}
		if _, err := r.Upload(t.Context(), "a", ""); err == nil {
			t.Errorf("location %q was followed", location)
		}
	}
	if len(other.seen()) != 0 {
		t.Errorf("the other origin was asked %q", other.seen())
	}
}

func TestLinkElsewhere(t *testing.T) {
	other := elsewhere(t, `{"tags":["stolen"]}`)
	for _, link := range []string{"<" + other.URL + "/v2/a/tags/list>; rel=next", "<//" + other.host() + "/x>; rel=\"next\""} {
		f := newFake(t, signedIn(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Link", link)
			_, _ = io.WriteString(w, `{"tags":["own"]}`)
		}))
		var last error
		for _, err := range f.open(t, secretOptions()).Tags(t.Context(), "a", "") {
			last = err
		}
		if !errors.Is(last, remote.ErrRedirect) {
			t.Errorf("link %s: %v", link, last)
		}
	}
	if len(other.seen()) != 0 {
		t.Errorf("the other origin was asked %q", other.seen())
	}
}

func TestRealmElsewhereGetsNothing(t *testing.T) {
	other := elsewhere(t, `{"token":"t"}`)
	f := newFake(t, func(w http.ResponseWriter, r *http.Request) {
		realm := strings.Replace(other.URL, "127.0.0.1", "localhost", 1)
		w.Header().Set("Www-Authenticate", fmt.Sprintf("Bearer realm=%q,service=\"s\"", realm+"/token"))
		w.WriteHeader(http.StatusUnauthorized)
	})
	if err := f.open(t, secretOptions()).Ping(t.Context()); !errors.Is(err, auth.ErrRealm) {
		t.Errorf("ping: %v", err)
	}
	if len(other.seen()) != 0 {
		t.Errorf("the other origin was asked %q", other.seen())
	}
}

func TestDoStaysAtTheOrigin(t *testing.T) {
	other := elsewhere(t, "")
	f := newFake(t, signedIn(func(http.ResponseWriter, *http.Request) {}))
	r := f.open(t, secretOptions())
	for target, good := range map[string]bool{"/acr/v1/_catalog": true, f.URL + "/x": true, other.URL: false, "//" + other.host(): false, "https://" + f.host() + "/": false} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, target, nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := r.Do(req, auth.CatalogScope)
		if (err == nil) != good {
			t.Errorf("%s: %v", target, err)
		}
		if err == nil {
			_ = resp.Body.Close()
		}
	}
}

// demanding is a registry that wants a token, and puts a secret wherever it can.
// tokens says how the token service is asked.
func demanding(tokens string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/token" && r.Method != tokens:
			w.WriteHeader(http.StatusMethodNotAllowed)
		case r.URL.Path == "/token":
			_, _ = io.WriteString(w, `{"token":"s3cret-token","refresh_token":"s3cret-refresh"}`)
		case strings.HasPrefix(r.URL.Path, "/storage"):
			w.WriteHeader(http.StatusForbidden)
		case r.Header.Get("Authorization") == "":
			w.Header().Set("Www-Authenticate", `Bearer realm="http://`+r.Host+`/token",service="the-service"`)
			w.WriteHeader(http.StatusUnauthorized)
		case r.Method == http.MethodGet && strings.Contains(r.URL.Path, "/blobs/sha256"):
			http.Redirect(w, r, "http://user:s3cret@"+r.Host+"/storage?sig=s3cret&X-Amz-Signature=s3cret#s3cret", http.StatusFound)
		case r.Method == http.MethodPost:
			w.Header().Set("Location", "/v2/a/blobs/uploads/1?_state=s3cret")
			w.Header().Set("Set-Cookie", "session=s3cret")
			w.WriteHeader(http.StatusAccepted)
		default:
			_, _ = io.Copy(io.Discard, r.Body)
			w.WriteHeader(http.StatusBadRequest)
		}
	}
}

// No secret of any kind is in what is logged and in no error.
func TestErrorsAndLogsHideSecrets(t *testing.T) {
	secrets := []string{"s3cret", base64.StdEncoding.EncodeToString([]byte("alice:s3cret"))}
	for name, tt := range map[string]struct {
		cred   auth.Credential
		tokens string
		logged []string
	}{
		"password":           {auth.Credential{Username: "alice", Password: "s3cret"}, http.MethodGet, []string{"the-service", "repository%3Aa%3Apull"}},
		"password by OAuth2": {auth.Credential{Username: "alice", Password: "s3cret"}, http.MethodPost, []string{"service=the-service", "scope=repository:a:pull"}},
		"identity token":     {auth.Credential{RefreshToken: "s3cret"}, http.MethodPost, []string{"service=the-service", "scope=repository:a:pull"}},
		"access token":       {auth.Credential{AccessToken: "s3cret"}, http.MethodGet, nil},
	} {
		t.Run(name, func(t *testing.T) {
			var logged strings.Builder
			f := newFake(t, demanding(tt.tokens))
			r := f.open(t, remote.Options{
				Credential: auth.Static(tt.cred), Header: http.Header{"X-Secret": {"s3cret"}}, Log: debugLog(&logged),
			})
			content := noise(100 << 10)
			_, readErr := r.OpenBlob(t.Context(), "a", describe(content).Digest, 0, -1)
			pushErr := r.PushBlob(t.Context(), "a", describe(content), bytes.NewReader(content))
			if readErr == nil || pushErr == nil {
				t.Fatal("no errors to look at")
			}
			for what, text := range map[string]string{"reading": readErr.Error(), "pushing": pushErr.Error(), "log": logged.String()} {
				for _, secret := range secrets {
					if strings.Contains(text, secret) {
						t.Errorf("%s tells %q: %s", what, secret, text)
					}
				}
			}
			for _, want := range append(tt.logged, "sig=...", "_state=...") {
				if !strings.Contains(logged.String(), want) {
					t.Errorf("the log has no %q: %s", want, logged.String())
				}
			}
		})
	}
}
