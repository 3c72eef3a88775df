package server

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"log/slog"
	"net/http"
	"runtime/debug"
	"sync/atomic"
	"time"

	"github.com/orlop/orlop/internal/gate"
)

// requestIDs gives every request an id in the form of a UUID: a part drawn
// when the process starts, and a counter.
type requestIDs struct {
	prefix  string // "xxxxxxxx-xxxx-4xxx-8xxx-"
	counter atomic.Uint64
}

func newRequestIDs() *requestIDs {
	var raw [8]byte
	_, _ = rand.Read(raw[:]) // never fails
	raw[6] = raw[6]&0x0f | 0x40
	h := hex.EncodeToString(raw[:])
	return &requestIDs{prefix: h[:8] + "-" + h[8:12] + "-" + h[12:] + "-8000-"}
}

func (g *requestIDs) next() string {
	const digits = "0123456789abcdef"
	n := g.counter.Add(1)
	id := make([]byte, 0, 36)
	id = append(id, g.prefix...)
	for shift := 44; shift >= 0; shift -= 4 {
		id = append(id, digits[n>>shift&0xf])
	}
	return string(id)
}

// ServeHTTP gives the answer its common headers and, with HTTP/1, lets the
// handlers write to w itself: a wrapper around it would cost every request.
//
// A body has TransferTimeout to arrive, whether or not a handler reads it,
// since net/http waits for its end; who reads long bodies moves the deadline on.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h[gate.RequestIDHeader] = []string{s.ids.next()}
	h["X-Content-Type-Options"] = nosniff
	if r.TLS != nil {
		h["Strict-Transport-Security"] = hsts
	}
	if r.Body != http.NoBody {
		// Fails where there is no connection, as in tests.
		_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(s.cfg.TransferTimeout))
	}
	s.active.Add(1)
	defer s.active.Add(-1)
	defer s.recovered(w, r)
	if r.ProtoMajor >= 2 {
		w = newStreamWriter(w, s.cfg.TransferTimeout)
	}
	if s.cfg.AccessLog {
		s.serveLogged(w, r)
		return
	}
	s.route(w, r)
}

// Header values are shared by all answers and never changed.
var (
	nosniff    = []string{"nosniff"}
	hsts       = []string{"max-age=31536000"}
	apiVersion = []string{"registry/2.0"}
)

// recovered logs a panic and ends the connection: part of an answer may have
// left, and nothing must make it look whole.
func (s *Server) recovered(w http.ResponseWriter, r *http.Request) {
	v := recover()
	if v == nil {
		return
	}
	if err, ok := v.(error); !ok || !errors.Is(err, http.ErrAbortHandler) {
		s.log.Error("panic", "request_id", w.Header().Get(gate.RequestIDHeader), "method", r.Method,
			"path", r.URL.Path, "panic", v, "stack", string(debug.Stack()))
	}
	panic(http.ErrAbortHandler)
}

// serveLogged serves a request and logs it.
func (s *Server) serveLogged(w http.ResponseWriter, r *http.Request) {
	start := time.Now()
	c := &countingWriter{ResponseWriter: w, status: http.StatusOK}
	defer func() {
		s.log.LogAttrs(context.WithoutCancel(r.Context()), slog.LevelInfo, "request",
			slog.String("request_id", w.Header().Get(gate.RequestIDHeader)),
			slog.String("method", r.Method),
			slog.String("path", r.URL.EscapedPath()), // no query: it may hold what should not be logged
			slog.String("remote", r.RemoteAddr),
			slog.String("agent", r.UserAgent()),
			slog.Int("status", c.status),
			slog.Int64("bytes", c.bytes),
			slog.Duration("took", time.Since(start)))
	}()
	s.route(c, r)
}

// countingWriter notes what was answered.
type countingWriter struct {
	http.ResponseWriter
	status int
	wrote  bool
	bytes  int64
}

// WriteHeader implements http.ResponseWriter.
func (c *countingWriter) WriteHeader(status int) {
	if !c.wrote && status >= http.StatusOK { // 1xx is not the answer yet
		c.status, c.wrote = status, true
	}
	c.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (c *countingWriter) Write(p []byte) (int, error) {
	c.wrote = true
	n, err := c.ResponseWriter.Write(p)
	c.bytes += int64(n)
	return n, err
}

// Unwrap lets http.ResponseController reach the writer beneath.
func (c *countingWriter) Unwrap() http.ResponseWriter { return c.ResponseWriter }
