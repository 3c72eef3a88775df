package remote

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"math/rand/v2"
	"net"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/orlop/orlop"
	"github.com/orlop/orlop/remote/auth"
)

// retrier sends requests again that failed for a passing reason, if their body
// can be rewound.
type retrier struct {
	base http.RoundTripper
	o    RetryOptions

	answered atomic.Bool // some request has had an answer
}

// RoundTrip implements http.RoundTripper.
func (t *retrier) RoundTrip(req *http.Request) (*http.Response, error) {
	for attempt := 1; ; attempt++ {
		resp, err := t.base.RoundTrip(req)
		if err == nil {
			t.answered.Store(true)
		}
		if attempt >= t.o.Attempts || !rewindable(req) || !passing(req.Context(), resp, err) || t.nobody(err) {
			return resp, err
		}
		wait, ok := t.o.wait(attempt, resp)
		if !ok {
			return resp, err
		}
		if err := sleep(req.Context(), wait); err != nil {
			if resp != nil {
				_ = resp.Body.Close()
			}
			return nil, err
		}
		next, bodyErr := rewind(req)
		if bodyErr != nil {
			return resp, err
		}
		if resp != nil {
			_ = drop(resp)
		}
		req = next
	}
}

// nobody tells whether nothing listens where nothing has ever answered: more
// likely a wrong name than a registry that is being started again.
func (t *retrier) nobody(err error) bool {
	return errors.Is(err, errRefused) && !t.answered.Load()
}

// wait returns how long to wait after an attempt (counted from 1), or false if
// the registry asks for more than is granted.
func (o RetryOptions) wait(attempt int, resp *http.Response) (time.Duration, bool) {
	if resp != nil {
		if d, ok := retryAfter(resp.Header, time.Now()); ok {
			return d, d <= o.MaxRetryAfter
		}
	}
	return o.backoff(attempt), true
}

// backoff returns the wait after an attempt, varied so that clients that were
// turned away together do not come back together.
func (o RetryOptions) backoff(attempt int) time.Duration {
	d := min(o.MinWait<<min(attempt-1, 20), o.MaxWait)
	return time.Duration(float64(d) * (0.75 + rand.Float64()/2)) //nolint:gosec // not a secret
}

// retryAfter reads a Retry-After header, in seconds or as a date.
func retryAfter(h http.Header, now time.Time) (time.Duration, bool) {
	value := h.Get("Retry-After")
	if n, err := strconv.ParseUint(value, 10, 31); err == nil {
		return time.Duration(n) * time.Second, true
	}
	if at, err := http.ParseTime(value); err == nil {
		return max(at.Sub(now), 0), true
	}
	return 0, false
}

// passing tells whether a failure may be gone at the next attempt.
func passing(ctx context.Context, resp *http.Response, err error) bool {
	if err != nil {
		return passingError(ctx, err)
	}
	return passingStatus(resp.StatusCode)
}

func passingStatus(status int) bool {
	switch status {
	case http.StatusRequestTimeout, http.StatusTooManyRequests, http.StatusInternalServerError,
		http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	}
	return false
}

// passingError takes every error of a connection for passing but those that
// are known to stay: the types of what breaks a connection are not all public.
func passingError(ctx context.Context, err error) bool {
	if ctx.Err() != nil || errors.Is(err, ErrRedirect) || errors.Is(err, auth.ErrRealm) || isTrust(err) {
		return false
	}
	if e, ok := errors.AsType[*orlop.Error](err); ok { // of the token service
		return passingStatus(e.Status)
	}
	if dns, ok := errors.AsType[*net.DNSError](err); ok {
		return !dns.IsNotFound
	}
	return true
}

// isTrust tells whether TLS failed because of who is on the other side.
func isTrust(err error) bool {
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return true
	}
	if _, ok := errors.AsType[x509.UnknownAuthorityError](err); ok {
		return true
	}
	if _, ok := errors.AsType[tls.AlertError](err); ok {
		return true
	}
	_, ok := errors.AsType[tls.RecordHeaderError](err) // no TLS there
	return ok
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func rewindable(req *http.Request) bool {
	return req.Body == nil || req.Body == http.NoBody || req.GetBody != nil
}

// rewind returns req with its body at the start.
func rewind(req *http.Request) (*http.Request, error) {
	if req.GetBody == nil {
		return req, nil
	}
	body, err := req.GetBody()
	if err != nil {
		return nil, err
	}
	req = req.Clone(req.Context())
	req.Body = body
	return req, nil
}
