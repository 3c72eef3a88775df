package remote_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/orlop/orlop/remote"
)

// fake is a registry, or another server, that does as a test wants, and
// remembers what it was asked.
type fake struct {
	*httptest.Server
	mu       sync.Mutex
	requests []*http.Request
}

func newFake(t *testing.T, h http.HandlerFunc) *fake {
	t.Helper()
	f := &fake{}
	f.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f.mu.Lock()
		f.requests = append(f.requests, r.Clone(r.Context()))
		f.mu.Unlock()
		h(w, r)
	}))
	t.Cleanup(f.Close)
	return f
}

func (f *fake) host() string { return strings.TrimPrefix(f.URL, "http://") }

func (f *fake) open(t *testing.T, o remote.Options) *remote.Registry {
	t.Helper()
	return open(t, f.host(), o)
}

// seen returns the requests so far, as "GET /v2/?n=1".
func (f *fake) seen() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	var all []string
	for _, r := range f.requests {
		all = append(all, r.Method+" "+r.URL.RequestURI())
	}
	return all
}

// count returns how many requests had a method.
func (f *fake) count(method string) (n int) {
	for _, line := range f.seen() {
		if strings.HasPrefix(line, method+" ") {
			n++
		}
	}
	return n
}

// headers returns every value of a header that was ever received.
func (f *fake) headers(name string) []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	var all []string
	for _, r := range f.requests {
		all = append(all, r.Header.Values(name)...)
	}
	return all
}
