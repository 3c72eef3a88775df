package remote_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/orlop/orlop"
	"github.com/orlop/orlop/remote"
)

// artifact is a manifest about a subject.
func artifact(t *testing.T, subject orlop.Descriptor, artifactType, name string) []byte {
	t.Helper()
	raw, err := json.Marshal(ocispec.Manifest{
		Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageManifest, ArtifactType: artifactType,
		Config: ocispec.DescriptorEmptyJSON, Layers: []orlop.Descriptor{ocispec.DescriptorEmptyJSON},
		Subject: &subject, Annotations: map[string]string{"name": name},
	})
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// attach pushes an artifact about a subject.
func attach(t *testing.T, r *remote.Registry, subject orlop.Descriptor, artifactType, name string) orlop.Descriptor {
	t.Helper()
	desc, err := r.PushManifest(t.Context(), "a", "", artifact(t, subject, artifactType, name))
	if err != nil {
		t.Fatal(err)
	}
	return desc
}

func referrers(t *testing.T, r *remote.Registry, subject digest.Digest, artifactType string) []string {
	t.Helper()
	var names []string
	for desc, err := range r.Referrers(t.Context(), "a", subject, artifactType) {
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, desc.Annotations["name"])
	}
	slices.Sort(names)
	return names
}

// TestFallbackTagAtDistribution: distribution has no referrers API.
func TestFallbackTagAtDistribution(t *testing.T) {
	host := distribution(t)
	r := open(t, host, remote.Options{})
	if err := r.PushBlob(t.Context(), "a", ocispec.DescriptorEmptyJSON, strings.NewReader("{}")); err != nil {
		t.Fatal(err)
	}
	subject := orlop.Descriptor{MediaType: ocispec.MediaTypeImageManifest, Digest: digest.FromString("subject"), Size: 7}
	var all sync.WaitGroup
	for i := range 8 { // all at once, none lost
		all.Go(func() { attach(t, r, subject, fmt.Sprintf("a/%d", i%2), fmt.Sprint(i)) })
	}
	all.Wait()
	last := attach(t, r, subject, "a/0", "last")
	attach(t, r, subject, "a/0", "last") // again

	if got := referrers(t, r, subject.Digest, ""); fmt.Sprint(got) != "[0 1 2 3 4 5 6 7 last]" {
		t.Errorf("referrers %q", got)
	}
	if got := referrers(t, r, subject.Digest, "a/1"); fmt.Sprint(got) != "[1 3 5 7]" {
		t.Errorf("referrers of type a/1: %q", got)
	}
	fresh := open(t, host, remote.Options{}) // which has yet to learn that there is no API
	if err := fresh.DeleteManifest(t.Context(), "a", last.Digest); err != nil {
		t.Fatal(err)
	}
	if got := referrers(t, r, subject.Digest, "a/0"); fmt.Sprint(got) != "[0 2 4 6]" {
		t.Errorf("referrers after deletion: %q", got)
	}
	api := open(t, host, remote.Options{ReferrersTag: remote.TagNever})
	for _, err := range api.Referrers(t.Context(), "a", subject.Digest, "") {
		if err == nil {
			t.Error("the API, which is absent, gave a referrer")
		}
	}
}

// TestReferrersAnswers: what is and what is not an answer of the API.
func TestReferrersAnswers(t *testing.T) {
	subject := digest.FromString("subject")
	index := fmt.Sprintf(`{"schemaVersion":2,"manifests":[{"mediaType":"m","digest":%q,"size":1,"artifactType":"x/y","annotations":{"name":"one"}}]}`, subject)
	answer := func(status int, contentType, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			if strings.Contains(r.URL.Path, "/manifests/") {
				w.WriteHeader(http.StatusNotFound)
				return
			}
			w.Header().Set("Content-Type", contentType)
			w.WriteHeader(status)
			_, _ = io.WriteString(w, body)
		}
	}
	tests := map[string]struct {
		h    http.HandlerFunc
		want string
		err  error
	}{
		"index":              {answer(200, ocispec.MediaTypeImageIndex, index), "[one]", nil},
		"with charset":       {answer(200, ocispec.MediaTypeImageIndex+"; charset=utf-8", index), "[]", nil},
		"a web page":         {answer(200, "text/html", "<html>"), "[]", nil},
		"no such route":      {answer(404, "text/plain", "404 page not found"), "[]", nil},
		"no such repository": {answer(404, "application/json", `{"errors":[{"code":"NAME_UNKNOWN"}]}`), "", orlop.ErrNameUnknown},
		"bad digest":         {answer(200, ocispec.MediaTypeImageIndex, strings.Replace(index, "sha256:", "sha256:../", 1)), "", orlop.ErrManifestInvalid},
		"bad size":           {answer(200, ocispec.MediaTypeImageIndex, strings.Replace(index, `"size":1`, `"size":-1`, 1)), "", orlop.ErrManifestInvalid},
		"denied":             {answer(403, "", ""), "", orlop.ErrDenied},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := []string{}, error(nil)
			for desc, e := range newFake(t, tt.h).open(t, remote.Options{}).Referrers(t.Context(), "a", subject, "") {
				if err = e; e == nil {
					got = append(got, desc.Annotations["name"])
				}
			}
			if !errors.Is(err, tt.err) || tt.err == nil && fmt.Sprint(got) != tt.want {
				t.Errorf("got %q, %v; want %s, %v", got, err, tt.want, tt.err)
			}
		})
	}
}

// TestReferrersAreFilteredHere: the registry does not filter, and says that it
// did.
func TestReferrersAreFilteredHere(t *testing.T) {
	f := newFake(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", ocispec.MediaTypeImageIndex)
		w.Header().Set("OCI-Filters-Applied", "artifactType")
		fmt.Fprintf(w, `{"manifests":[{"digest":%q,"size":1,"artifactType":"x/y","annotations":{"name":"one"}}]}`, digest.FromString("1"))
	})
	if got := referrers(t, f.open(t, remote.Options{}), digest.FromString("s"), "other/type"); len(got) != 0 {
		t.Errorf("got %q", got)
	}
}

// TestFallbackTagIsConditional: two processes change the tag; the registry
// honours If-Match.
func TestFallbackTagIsConditional(t *testing.T) {
	subject := orlop.Descriptor{MediaType: ocispec.MediaTypeImageManifest, Digest: digest.FromString("subject"), Size: 7}
	puts, index := 0, `{"schemaVersion":2,"mediaType":"`+ocispec.MediaTypeImageIndex+`","manifests":[]}`
	f := newFake(t, func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Method == http.MethodGet && strings.Contains(r.URL.Path, "/manifests/sha256-"):
			w.Header().Set("Content-Type", ocispec.MediaTypeImageIndex)
			_, _ = io.WriteString(w, index)
		case r.Method == http.MethodPut && strings.Contains(r.URL.Path, "/manifests/sha256-"):
			if puts++; puts == 1 { // another process was faster
				index = fmt.Sprintf(`{"schemaVersion":2,"manifests":[{"mediaType":"m","digest":%q,"size":1}]}`, digest.FromString("other"))
				w.WriteHeader(http.StatusPreconditionFailed)
				return
			}
			if r.Header.Get("If-Match") != `"`+string(digest.FromString(index))+`"` {
				t.Errorf("If-Match: %s", r.Header.Get("If-Match"))
			}
			raw, _ := io.ReadAll(r.Body)
			index = string(raw)
			w.WriteHeader(http.StatusCreated)
		default:
			w.WriteHeader(http.StatusCreated)
		}
	})
	attach(t, f.open(t, remote.Options{}), subject, "x/y", "mine")
	if puts != 2 || !strings.Contains(index, "mine") || !strings.Contains(index, string(digest.FromString("other"))) {
		t.Errorf("after %d changes: %s", puts, index)
	}
}

// TestDeleteWithoutPull: who may delete need not be able to read.
func TestDeleteWithoutPull(t *testing.T) {
	f := newFake(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodDelete {
			w.WriteHeader(http.StatusAccepted)
			return
		}
		w.WriteHeader(http.StatusForbidden)
	})
	if err := f.open(t, remote.Options{}).DeleteManifest(t.Context(), "a", digest.FromString("x")); err != nil {
		t.Error(err)
	}
}
