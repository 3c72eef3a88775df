// Package httpfault is a proxy between a program and an HTTP server which does
// to each request what a test says: delays it, cuts it, loses its answer, or
// answers in the server's place.
package httpfault

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"
)

// Action is what happens to a request.
type Action int

// The actions.
const (
	Pass        Action = iota
	Unavailable        // 503 at once; the server sees nothing
	CutRequest         // the connection is reset in the middle of the request's body, or at once where there is none
	LoseAnswer         // the server has done it, and the connection is reset before the answer
	CutAnswer          // the connection is reset in the middle of the answer's body, or before it where there is none
	Stall              // nothing happens until the client goes away
	Slow               // the answer comes after a while
)

// String names the action.
func (a Action) String() string {
	return [...]string{"Pass", "Unavailable", "CutRequest", "LoseAnswer", "CutAnswer", "Stall", "Slow"}[a]
}

// slowness is how long Slow takes.
const slowness = 50 * time.Millisecond

// Decide says what happens to a request, the n-th of the proxy, from 1. It may
// be called concurrently.
type Decide func(n int, r *http.Request) Action

// Proxy is a proxy for one server.
type Proxy struct {
	Addr string // HOST:PORT

	target string
	http   *http.Transport

	mu     sync.Mutex
	decide Decide // guarded by mu, like n
	n      int
}

// New starts a proxy for a server, HOST:PORT, and ends it at the end of the test.
// All passes until Set says otherwise.
func New(t testing.TB, target string) *Proxy {
	p := &Proxy{target: target, http: &http.Transport{DisableCompression: true, MaxIdleConnsPerHost: 64}}
	s := httptest.NewUnstartedServer(http.HandlerFunc(p.serve))
	s.Config.ErrorLog = nil
	s.Start()
	t.Cleanup(func() {
		s.CloseClientConnections()
		s.Close()
		p.http.CloseIdleConnections()
	})
	p.Addr = s.Listener.Addr().String()
	return p
}

// URL is the address of the proxy.
func (p *Proxy) URL() string { return "http://" + p.Addr }

// Set changes what happens from now on, and counts requests anew. nil lets all
// pass.
func (p *Proxy) Set(d Decide) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.decide, p.n = d, 0
}

// Requests is how many have come since Set.
func (p *Proxy) Requests() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.n
}

// At does something to the n-th request alone.
func At(n int, a Action) Decide {
	return func(i int, _ *http.Request) Action {
		if i == n {
			return a
		}
		return Pass
	}
}

// From does something to the n-th request and all that follow.
func From(n int, a Action) Decide {
	return func(i int, _ *http.Request) Action {
		if i >= n {
			return a
		}
		return Pass
	}
}

func (p *Proxy) next(r *http.Request) Action {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.n++
	if p.decide == nil {
		return Pass
	}
	return p.decide(p.n, r)
}

func (p *Proxy) serve(w http.ResponseWriter, r *http.Request) {
	a := p.next(r)
	switch a {
	case Unavailable:
		w.Header().Set("Connection", "close")
		http.Error(w, "come back later", http.StatusServiceUnavailable)
		return
	case CutRequest:
		_, _ = io.CopyN(io.Discard, r.Body, r.ContentLength/2)
		reset(w)
		return
	case Stall:
		_, _ = io.Copy(io.Discard, r.Body) // so that the end of the connection is seen
		<-r.Context().Done()
		return
	case Slow:
		select {
		case <-time.After(slowness):
		case <-r.Context().Done():
			return
		}
	}
	resp, err := p.forward(r)
	if err != nil || a == LoseAnswer {
		if err == nil {
			resp.Body.Close()
		}
		reset(w)
		return
	}
	defer resp.Body.Close()
	answer(w, resp, a)
}

// forward asks the server what it was asked, in the same words: the signature
// is over the name of the host too. Who has sent it does not end it: a server
// that is asked twice in a row might finish the first request after the second.
func (p *Proxy) forward(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	out := r.Clone(context.WithoutCancel(r.Context()))
	out.URL.Scheme, out.URL.Host, out.RequestURI = "http", p.target, ""
	out.Header.Del("Expect")
	out.Body = http.NoBody
	if len(body) > 0 {
		out.Body = io.NopCloser(bytes.NewReader(body))
	}
	out.ContentLength = int64(len(body))
	return p.http.RoundTrip(out)
}

func answer(w http.ResponseWriter, resp *http.Response, a Action) {
	if a == CutAnswer && resp.ContentLength <= 0 {
		reset(w)
		return
	}
	for name, values := range resp.Header {
		w.Header()[name] = values
	}
	w.WriteHeader(resp.StatusCode)
	if a != CutAnswer {
		_, _ = io.Copy(w, resp.Body)
		return
	}
	_, _ = io.CopyN(w, resp.Body, resp.ContentLength/2)
	_ = http.NewResponseController(w).Flush()
	reset(w)
}

// reset ends the connection without a word.
func reset(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	conn.Close()
}
