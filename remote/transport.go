package remote

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/orlop/orlop/remote/auth"
)

// NewTransport returns a transport tuned for registries: many connections to
// one host, large buffers, no compression, no limit on how long a transfer
// takes. It may be changed (TLS, dialling) and given to New.
func NewTransport() *http.Transport {
	return &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		DialContext:            dial,
		ForceAttemptHTTP2:      true,
		MaxIdleConns:           128,
		MaxIdleConnsPerHost:    32,
		IdleConnTimeout:        90 * time.Second,
		TLSHandshakeTimeout:    15 * time.Second,
		ExpectContinueTimeout:  time.Second,
		MaxResponseHeaderBytes: 256 << 10,
		ReadBufferSize:         64 << 10,
		WriteBufferSize:        64 << 10,
		DisableCompression:     true, // content is named by the digest of its bytes as they are
		HTTP2:                  &http.HTTP2Config{SendPingTimeout: 30 * time.Second},
	}
}

func dial(ctx context.Context, network, addr string) (net.Conn, error) {
	dialer := net.Dialer{Timeout: 30 * time.Second, KeepAlive: 30 * time.Second}
	c, err := dialer.DialContext(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	return conn{c}, nil
}

// conn sends bodies of requests in pieces larger than the 32 KiB of io.Copy,
// which net/http would use.
type conn struct{ net.Conn }

// ReadFrom implements io.ReaderFrom.
func (c conn) ReadFrom(r io.Reader) (int64, error) {
	buf := buffers.Get().(*[bufferSize]byte)
	defer buffers.Put(buf)
	return io.CopyBuffer(struct{ io.Writer }{c.Conn}, struct{ io.Reader }{r}, buf[:])
}

// ErrRedirect reports a redirect that was not followed.
var ErrRedirect = errors.New("redirect refused")

// checkRedirect follows redirects of reads anywhere (without credentials, which
// auth.Transport sees to), those of writes within the registry's origin, and
// none from TLS to plain HTTP.
func (r *Registry) checkRedirect(req *http.Request, via []*http.Request) error {
	first, last := via[0], via[len(via)-1]
	reads := first.Method == http.MethodGet || first.Method == http.MethodHead
	switch {
	case len(via) >= 10:
		return fmt.Errorf("%w: more than 10 in a row", ErrRedirect)
	case last.URL.Scheme == "https" && req.URL.Scheme != "https":
		return fmt.Errorf("%w: it leads from TLS to %s", ErrRedirect, scrub(req.URL))
	case !reads && (req.Method != first.Method || !auth.SameOrigin(req.URL, r.origin)):
		return fmt.Errorf("%w: it leads a write to %s", ErrRedirect, scrub(req.URL))
	}
	return nil
}

// dresser gives requests their common headers, logs them, and passes the
// registry's warnings on.
type dresser struct {
	base   http.RoundTripper
	o      Options
	origin *url.URL

	mu     sync.Mutex
	warned map[string]bool // texts of warnings given
}

// RoundTrip implements http.RoundTripper.
func (d *dresser) RoundTrip(req *http.Request) (*http.Response, error) {
	req = req.Clone(req.Context())
	req.Header.Set("User-Agent", d.o.UserAgent)
	req.Header.Set("Accept-Encoding", "identity")
	own := auth.SameOrigin(req.URL, d.origin)
	if own {
		for name, values := range d.o.Header {
			if name = http.CanonicalHeaderKey(name); len(req.Header[name]) == 0 {
				req.Header[name] = slices.Clone(values)
			}
		}
	}
	start := time.Now()
	resp, err := d.base.RoundTrip(req)
	d.log(req, resp, err, time.Since(start))
	if err != nil {
		return nil, err
	}
	if own {
		d.warn(resp.Header.Values("Warning"))
	}
	resp.Request = req
	return resp, nil
}

// logged are the headers that a log shows: none of them is secret.
var logged = []string{
	"Accept", "Content-Length", "Content-Range", "Content-Type", "Docker-Content-Digest", "OCI-Subject",
	"OCI-Filters-Applied", "OCI-Chunk-Min-Length", "Range", "Retry-After", "Www-Authenticate", "Warning",
	"X-Ms-Correlation-Request-Id",
}

func (d *dresser) log(req *http.Request, resp *http.Response, err error, took time.Duration) {
	ctx := req.Context()
	if !d.o.Log.Enabled(ctx, slog.LevelDebug) {
		return
	}
	attrs := []slog.Attr{
		slog.String("method", req.Method), slog.String("url", scrub(req.URL)),
		headerGroup("request", req.Header), slog.Duration("took", took),
	}
	if service, scopes, ok := auth.Asked(ctx); ok {
		attrs = append(attrs, slog.String("service", service), slog.String("scope", strings.Join(scopes, " ")))
	}
	if err != nil {
		d.o.Log.LogAttrs(ctx, slog.LevelDebug, "request failed", append(attrs, slog.String("error", err.Error()))...)
		return
	}
	attrs = append(attrs, slog.Int("status", resp.StatusCode), headerGroup("response", resp.Header))
	d.o.Log.LogAttrs(ctx, slog.LevelDebug, "request", attrs...)
}

func headerGroup(name string, h http.Header) slog.Attr {
	var attrs []slog.Attr
	for _, key := range logged {
		for _, value := range h.Values(key) {
			attrs = append(attrs, slog.String(key, value))
		}
	}
	return slog.GroupAttrs(name, attrs...)
}

// shown are the parameters of queries whose values are no secret, and tell what
// was asked for.
var shown = []string{"artifactType", "digest", "from", "last", "mount", "n", "scope", "service"}

// scrub returns a URL without its user and the values of its query, but for
// those that are known to be no secret.
func scrub(u *url.URL) string {
	c := *u
	c.User = nil
	c.Fragment = ""
	if c.RawQuery != "" {
		q := c.Query()
		for name := range q {
			if !slices.Contains(shown, name) {
				q[name] = []string{"..."}
			}
		}
		c.RawQuery = q.Encode()
	}
	return c.String()
}
