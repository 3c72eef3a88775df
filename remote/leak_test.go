package remote_test

import (
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

func TestErrorsAndLogsHideSecrets(t *testing.T) {
	var logged strings.Builder
	f := newFake(t, signedIn(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "/next?sig=s3cret", http.StatusFound)
	}))
	o := secretOptions()
	o.Log = debugLog(&logged)
	err := f.open(t, o).Ping(t.Context())
	for what, text := range map[string]string{"error": fmt.Sprint(err), "log": logged.String()} {
		if strings.Contains(text, "s3cret") || strings.Contains(text, "mine") {
			t.Errorf("%s: %s", what, text)
		}
	}
	if !strings.Contains(logged.String(), "sig=...") {
		t.Errorf("log: %s", logged.String())
	}
}
