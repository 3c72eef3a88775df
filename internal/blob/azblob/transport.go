package azblob

import (
	"bytes"
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"sync/atomic"
	"time"
)

// newTransport keeps a connection for each of many requests at a time.
func newTransport() *http.Transport {
	dialer := net.Dialer{Timeout: 5 * time.Second}
	return &http.Transport{
		Proxy:               http.ProxyFromEnvironment,
		DialContext:         dialer.DialContext,
		TLSHandshakeTimeout: 10 * time.Second,
		TLSClientConfig:     &tls.Config{MinVersion: tls.VersionTLS12},
		IdleConnTimeout:     30 * time.Second,
		MaxIdleConns:        256,
		MaxIdleConnsPerHost: 256,
		DisableCompression:  true,
		WriteBufferSize:     64 << 10,
		ReadBufferSize:      64 << 10,
	}
}

// noRedirect: the service sends none, and requests are signed for one host.
func noRedirect(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// content is what a request sends.
type content struct {
	bytes []byte
	tries atomic.Int32
}

type contentKey struct{}

// with makes the context of the request that sends the content.
func (c *content) with(ctx context.Context) context.Context {
	return context.WithValue(ctx, contentKey{}, c)
}

// free tells whether nothing reads the content any more, after success: a try
// that was given up may still do so.
func (c *content) free() bool { return c.tries.Load() <= 1 }

// resender gives every try of a request a body of its own. The SDK has one for
// all, and rewinds it while a try that was answered early is still reading it.
type resender struct{ *http.Transport }

// RoundTrip implements http.RoundTripper.
func (r resender) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.ContentLength <= 0 {
		return r.Transport.RoundTrip(req)
	}
	c, ok := req.Context().Value(contentKey{}).(*content)
	if !ok { // a list of blocks
		all, err := io.ReadAll(req.Body)
		if err != nil {
			return nil, err
		}
		c = &content{bytes: all}
	}
	c.tries.Add(1)
	req = req.Clone(req.Context())
	req.Body = io.NopCloser(bytes.NewReader(c.bytes))
	return r.Transport.RoundTrip(req)
}
