package remote_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/orlop/orlop"
	"github.com/orlop/orlop/remote"
	"github.com/orlop/orlop/remote/auth"
)

// Open a registry, sign in, and read what a tag names.
func Example() {
	server := httptest.NewServer(http.HandlerFunc(exampleRegistry))
	defer server.Close()

	r, err := remote.New(strings.TrimPrefix(server.URL, "http://"), remote.Options{
		PlainHTTP:  true, // of a real registry: left out
		Credential: auth.Static(auth.Credential{Username: "ada", Password: "s3cret"}),
	})
	if err != nil {
		log.Fatal(err)
	}
	ctx := context.Background()
	if err := r.Ping(ctx); err != nil {
		log.Fatal(err)
	}
	m, err := r.Manifest(ctx, "samples/artifact", "1.0")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(m.Descriptor.MediaType)

	_, err = r.Manifest(ctx, "samples/artifact", "2.0")
	fmt.Println(errors.Is(err, orlop.ErrManifestUnknown))
	// Output:
	// application/vnd.oci.image.index.v1+json
	// true
}

// exampleRegistry has one tag, for one user.
func exampleRegistry(w http.ResponseWriter, r *http.Request) {
	if _, password, _ := r.BasicAuth(); password != "s3cret" {
		w.Header().Set("Www-Authenticate", `Basic realm="example"`)
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	switch r.URL.Path {
	case "/v2/":
	case "/v2/samples/artifact/manifests/1.0":
		w.Header().Set("Content-Type", "application/vnd.oci.image.index.v1+json")
		_, _ = io.WriteString(w, `{"schemaVersion":2,"manifests":[]}`)
	default:
		w.WriteHeader(http.StatusNotFound)
	}
}
