package remote_test

import (
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/orlop/orlop"
	"github.com/orlop/orlop/remote"
)

// A small blob is sent by one POST; a registry that cannot do that is asked once.
func TestSmallBlobByOnePost(t *testing.T) {
	desc := describe([]byte("abc"))
	const once = "POST /v2/a/blobs/uploads/?digest="
	const start = "POST /v2/a/blobs/uploads/"
	const put = "PUT /v2/a/blobs/uploads/1?digest="
	for name, tt := range map[string]struct {
		post func(w http.ResponseWriter, r *http.Request) // answers the POST with the blob
		want []string                                     // requests of two pushes
		last string                                       // body of the last PUT
	}{
		"taken": {func(w http.ResponseWriter, r *http.Request) {
			if raw, _ := io.ReadAll(r.Body); string(raw) != "abc" || r.ContentLength != 3 {
				w.WriteHeader(http.StatusBadRequest)
				return
			}
			w.Header().Set("Location", "/v2/a/blobs/"+string(desc.Digest))
			w.WriteHeader(http.StatusCreated)
		}, []string{once, once}, ""},
		"an upload instead": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", "/v2/a/blobs/uploads/1")
			w.WriteHeader(http.StatusAccepted)
		}, []string{once, put, start, put}, "abc"},
		"not allowed": {func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusMethodNotAllowed)
		}, []string{once, start, put, start, put}, "abc"},
		"unavailable": {func() func(http.ResponseWriter, *http.Request) {
			failed := false
			return func(w http.ResponseWriter, _ *http.Request) {
				if !failed {
					failed = true
					w.WriteHeader(http.StatusServiceUnavailable)
					return
				}
				w.Header().Set("Docker-Content-Digest", string(desc.Digest))
				w.WriteHeader(http.StatusCreated)
			}
		}(), []string{once, once, once}, ""},
		"created something": {func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusCreated)
		}, []string{once, start, put, start, put}, "abc"},
	} {
		t.Run(name, func(t *testing.T) {
			var last []byte
			f := newFake(t, func(w http.ResponseWriter, r *http.Request) {
				switch {
				case r.Method == http.MethodPost && r.URL.Query().Has("digest"):
					tt.post(w, r)
				case r.Method == http.MethodPost:
					w.Header().Set("Location", "/v2/a/blobs/uploads/1")
					w.WriteHeader(http.StatusAccepted)
				default:
					last, _ = io.ReadAll(r.Body)
					w.WriteHeader(http.StatusCreated)
				}
			})
			r := f.open(t, remote.Options{})
			for range 2 {
				if err := r.PushBlob(t.Context(), "a", desc, strings.NewReader("abc")); err != nil {
					t.Fatal(err)
				}
			}
			seen := f.seen()
			for i, line := range seen {
				if before, _, ok := strings.Cut(line, "digest="); ok {
					seen[i] = before + "digest="
				}
			}
			if !slices.Equal(seen, tt.want) || string(last) != tt.last {
				t.Errorf("requests %q, want %q; last body %q", seen, tt.want, last)
			}
		})
	}
}

// A registry that has kept what came with the POST is not sent it twice.
func TestPostThatIsKept(t *testing.T) {
	f := newFake(t, func(w http.ResponseWriter, r *http.Request) {
		switch n := r.ContentLength; {
		case r.Method == http.MethodPost:
			w.Header().Set("Location", "/v2/a/blobs/uploads/1")
			w.Header().Set("Range", "0-2")
			w.WriteHeader(http.StatusAccepted)
		case n == 0:
			w.WriteHeader(http.StatusCreated)
		default:
			w.WriteHeader(http.StatusBadRequest)
		}
	})
	r := f.open(t, remote.Options{})
	if err := r.PushBlob(t.Context(), "a", describe([]byte("abc")), strings.NewReader("abc")); err != nil {
		t.Fatal(err)
	}
}

// What the registry says of the content is no refusal of the way it was sent.
func TestPostOfBadContent(t *testing.T) {
	f := newFake(t, func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusBadRequest)
		_, _ = io.WriteString(w, `{"errors":[{"code":"DIGEST_INVALID","message":"other content"}]}`)
	})
	desc := orlop.Descriptor{Digest: digest.FromString("other"), Size: 3}
	err := f.open(t, remote.Options{}).PushBlob(t.Context(), "a", desc, strings.NewReader("abc"))
	if !errors.Is(err, orlop.ErrDigestInvalid) || len(f.seen()) != 1 {
		t.Errorf("error %v after %q", err, f.seen())
	}
}
