package remote_test

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/orlop/orlop/remote"
)

// BenchmarkOpenBlob reads a blob of 64 MiB over loopback, verified.
func BenchmarkOpenBlob(b *testing.B) {
	content := bytes.Repeat(noise(1<<20), 64)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(content))
	}))
	defer server.Close()
	r, err := remote.New(strings.TrimPrefix(server.URL, "http://"), remote.Options{PlainHTTP: true})
	if err != nil {
		b.Fatal(err)
	}
	dgst := describe(content).Digest
	b.SetBytes(int64(len(content)))
	for b.Loop() {
		blob, err := r.OpenBlob(b.Context(), "a", dgst, 0, -1)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, blob); err != nil {
			b.Fatal(err)
		}
		_ = blob.Close()
	}
}
