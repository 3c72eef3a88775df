package azblob_test

import (
	"bytes"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"sync"
	"testing"

	"github.com/orlop/orlop/internal/testenv/aztest"
)

// fault is what a proxy does to a request.
type fault string

const (
	none     fault = ""
	busy     fault = "busy"     // answered 503 without being passed on
	cut      fault = "cut"      // the connection breaks before it is passed on
	swallow  fault = "swallow"  // passed on, and the answer is lost
	truncate fault = "truncate" // half of the answer's body arrives
	flip     fault = "flip"     // a bit of the request's body changes
)

// proxy stands between a store and Azurite, and does harm.
type proxy struct {
	mu    sync.Mutex
	harm  func(n int, r *http.Request) fault // to the request n, from 1; nil: none
	asked []string                           // methods and queries that matter
}

// behind puts a proxy before the endpoint of a container.
func behind(t *testing.T, c aztest.Container) (*proxy, aztest.Container) {
	t.Helper()
	at, err := url.Parse(c.Endpoint)
	if err != nil {
		t.Fatal(err)
	}
	p := new(proxy)
	to := &httputil.ReverseProxy{
		Rewrite:  func(r *httputil.ProxyRequest) { r.Out.URL.Scheme, r.Out.URL.Host = at.Scheme, at.Host },
		ErrorLog: log.New(io.Discard, "", 0),
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { p.serve(to, w, r) }))
	t.Cleanup(server.Close)
	c.Endpoint = server.URL + at.Path
	return p, c
}

func (p *proxy) serve(to http.Handler, w http.ResponseWriter, r *http.Request) {
	switch p.judge(r) {
	case busy:
		w.Header().Set("x-ms-error-code", "ServerBusy")
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	case cut:
		panic(http.ErrAbortHandler)
	case swallow:
		to.ServeHTTP(httptest.NewRecorder(), r)
		panic(http.ErrAbortHandler)
	case truncate:
		answer := httptest.NewRecorder()
		to.ServeHTTP(answer, r)
		for name, values := range answer.Header() {
			w.Header()[name] = values
		}
		w.WriteHeader(answer.Code)
		_, _ = w.Write(answer.Body.Bytes()[:answer.Body.Len()/2])
		panic(http.ErrAbortHandler)
	case flip:
		body, err := io.ReadAll(r.Body)
		if err != nil {
			panic(http.ErrAbortHandler)
		}
		body[len(body)/2] ^= 1
		r.Body = io.NopCloser(bytes.NewReader(body))
	}
	to.ServeHTTP(w, r)
}

func (p *proxy) judge(r *http.Request) fault {
	p.mu.Lock()
	defer p.mu.Unlock()
	what := r.Method
	if comp := r.URL.Query().Get("comp"); comp != "" {
		what += " " + comp
	}
	p.asked = append(p.asked, what)
	if p.harm == nil {
		return none
	}
	return p.harm(len(p.asked), r)
}

// set sets the harm to come, and counts requests anew.
func (p *proxy) set(harm func(n int, r *http.Request) fault) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.harm, p.asked = harm, nil
}

func (p *proxy) requests() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Sorted(slices.Values(p.asked))
}
