package server

import (
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// idleListener gives its connections a deadline for writing that moves with
// progress: a client that stops reading is cut after timeout, one that reads
// slowly never is. http.Server.WriteTimeout cannot do that, it limits the
// answer as a whole. Deadlines for reading are set by the server (header) and
// by the handlers (body).
type idleListener struct {
	net.Listener
	timeout time.Duration
	unused  *unusedConns
}

// Accept implements net.Listener.
func (l *idleListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	c := &idleConn{Conn: conn, timeout: l.timeout}
	l.unused.add(c)
	return c, nil
}

type idleConn struct {
	net.Conn
	timeout  time.Duration
	deadline atomic.Int64 // Unix nanoseconds of the deadline in force; HTTP/2 writes from several goroutines
	nearer   atomic.Bool  // somebody else set a nearer deadline, which stands
	used     atomic.Bool  // a request has come, or the connection has ended
}

// SetWriteDeadline implements net.Conn. A deadline much nearer than the
// connection's own stands until it is lifted: net/http sets one for the
// handshake of TLS and lifts it, and crypto/tls one for its last words. Any
// other changes nothing.
func (c *idleConn) SetWriteDeadline(t time.Time) error {
	if t.IsZero() {
		c.nearer.Store(false)
		return c.extend(time.Now())
	}
	if time.Until(t) > c.timeout/2 {
		return nil
	}
	c.nearer.Store(true)
	return c.Conn.SetWriteDeadline(t)
}

// SetDeadline implements net.Conn.
func (c *idleConn) SetDeadline(t time.Time) error {
	return errors.Join(c.SetReadDeadline(t), c.SetWriteDeadline(t))
}

// CloseWrite ends the connection in one direction. net/http does so when it
// refuses a body that is still coming, so that the client can read why.
func (c *idleConn) CloseWrite() error {
	half, ok := c.Conn.(interface{ CloseWrite() error })
	if !ok {
		return errors.ErrUnsupported
	}
	return half.CloseWrite()
}

// Write implements net.Conn. Setting a deadline costs more than reading the
// clock, so one is set only when a quarter of the time has gone.
func (c *idleConn) Write(p []byte) (int, error) {
	if c.nearer.Load() {
		return c.Conn.Write(p)
	}
	now := time.Now()
	if c.deadline.Load()-now.UnixNano() < int64(c.timeout-c.timeout/4) {
		if err := c.extend(now); err != nil {
			return 0, err
		}
	}
	written := 0
	for {
		n, err := c.Conn.Write(p[written:])
		written += n
		if n == 0 || !errors.Is(err, os.ErrDeadlineExceeded) || c.nearer.Load() {
			return written, err
		}
		if err := c.extend(time.Now()); err != nil {
			return written, err
		}
	}
}

func (c *idleConn) extend(now time.Time) error {
	deadline := now.Add(c.timeout)
	c.deadline.Store(deadline.UnixNano())
	return c.Conn.SetWriteDeadline(deadline)
}

// unusedConns holds the connections on which no request has come yet, such as
// those that browsers and proxies open ahead of need. http.Server.Shutdown waits
// some seconds for them, in the hope of a request.
type unusedConns struct {
	mu    sync.Mutex
	conns map[*idleConn]bool // guarded by mu
}

func (u *unusedConns) add(c *idleConn) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.conns == nil {
		u.conns = map[*idleConn]bool{}
	}
	u.conns[c] = true
}

// state is what http.Server.ConnState wants.
func (u *unusedConns) state(conn net.Conn, state http.ConnState) {
	if state == http.StateNew {
		return
	}
	if t, ok := conn.(*tls.Conn); ok {
		conn = t.NetConn()
	}
	c, ok := conn.(*idleConn)
	if !ok || c.used.Load() { // this is called for every request, and the lock taken for the first
		return
	}
	c.used.Store(true)
	u.mu.Lock()
	defer u.mu.Unlock()
	delete(u.conns, c)
}

// close closes them all.
func (u *unusedConns) close() {
	u.mu.Lock()
	defer u.mu.Unlock()
	for c := range u.conns {
		_ = c.Close()
	}
}

// streamWriter does for one stream of HTTP/2 what idleConn does for a
// connection: a client that gives no window to a stream keeps the connection
// busy with others, or with pings.
type streamWriter struct {
	http.ResponseWriter
	timeout time.Duration
}

// newStreamWriter gives each write several timeouts, because the progress
// within a write is not seen.
func newStreamWriter(w http.ResponseWriter, timeout time.Duration) *streamWriter {
	return &streamWriter{w, 5 * timeout}
}

// Write implements http.ResponseWriter.
func (s *streamWriter) Write(p []byte) (int, error) {
	deadline := time.Now().Add(s.timeout)
	if err := http.NewResponseController(s.ResponseWriter).SetWriteDeadline(deadline); err != nil {
		return 0, err
	}
	return s.ResponseWriter.Write(p)
}

// Unwrap lets http.ResponseController reach the writer beneath.
func (s *streamWriter) Unwrap() http.ResponseWriter { return s.ResponseWriter }
