package distapi

import (
	"fmt"
	"net/http"
	"testing"
)

// nullWriter is a connection that takes everything.
type nullWriter struct{ h http.Header }

func (w *nullWriter) Header() http.Header         { return w.h }
func (w *nullWriter) Write(p []byte) (int, error) { return len(p), nil }
func (w *nullWriter) WriteHeader(int)             {}

// BenchmarkServe measures what the API adds to net/http: route, permission,
// engine and headers, with a password as most clients send it.
func BenchmarkServe(b *testing.B) {
	e := newEnv(b)
	c := e.admin()
	raw := c.manifest("samples/artifact", nil)
	for i := range 1000 {
		c.do("PUT", fmt.Sprintf("/v2/samples/artifact/manifests/t%03d", i), raw, "Content-Type", mediaTypeManifest).want(http.StatusCreated)
	}
	d := c.push("samples/artifact", content(1024)).String()
	large := c.push("samples/artifact", content(16<<20)).String()
	for _, bm := range []struct{ name, call, path string }{
		{"manifest by tag", "GET", "/v2/samples/artifact/manifests/t500"},
		{"manifest by digest", "GET", "/v2/samples/artifact/manifests/" + digestOf(raw)},
		{"manifest head", "HEAD", "/v2/samples/artifact/manifests/t500"},
		{"blob head", "HEAD", "/v2/samples/artifact/blobs/" + d},
		{"blob of 1 KiB", "GET", "/v2/samples/artifact/blobs/" + d},
		{"blob of 16 MiB", "GET", "/v2/samples/artifact/blobs/" + large},
		{"page of 100 tags", "GET", "/v2/samples/artifact/tags/list?n=100&last=t300"},
	} {
		b.Run(bm.name, func(b *testing.B) {
			r, err := http.NewRequest(bm.call, "http://127.0.0.1"+bm.path, http.NoBody)
			if err != nil {
				b.Fatal(err)
			}
			r.Header.Set("Authorization", c.auth)
			b.ReportAllocs()
			for b.Loop() {
				e.srv.Config.Handler.ServeHTTP(&nullWriter{h: http.Header{}}, r)
			}
		})
	}
}
