package gate

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"net/http"
	"strconv"
	"time"

	"github.com/orlop/orlop"
	"github.com/orlop/orlop/internal/authn"
)

// RequestIDHeader is the response header in which the server's middleware puts
// the id of a request, which its log has too.
const RequestIDHeader = "X-Ms-Correlation-Request-Id"

// WriteError answers with an error as the specification's JSON. What is not an
// error of the specification is logged and answered by 500 and the id of the
// request: its text may hold paths or SQL. A 401 gets the Bearer challenge,
// unless the header is set.
func (g *Gate) WriteError(w http.ResponseWriter, r *http.Request, err error) {
	e := g.explain(w, r, err)
	h := w.Header()
	h.Set("Docker-Distribution-Api-Version", "registry/2.0")
	if e.HTTPStatus() == http.StatusUnauthorized && h.Get("Www-Authenticate") == "" {
		if c := g.challengeFor(r, err); c != "" {
			h.Set("Www-Authenticate", c)
		}
	}
	switch after, ok := retryAfter(err); {
	case ok:
		h.Set("Retry-After", strconv.Itoa(seconds(after)))
	case e.HTTPStatus() == http.StatusServiceUnavailable:
		h.Set("Retry-After", strconv.Itoa(seconds(unavailableFor)))
	}
	g.logDenial(w, r, e)
	WriteJSON(w, e.HTTPStatus(), errorBody{Errors: []errorEntry{{e.Code, e.Error(), e.Detail}}})
}

// unavailableFor is when a client is told to come back after a store of ours did
// not answer.
const unavailableFor = 2 * time.Second

// logDenial logs that somebody was refused. A request without credentials that
// is told to sign in is the beginning of every session, and no denial.
func (g *Gate) logDenial(w http.ResponseWriter, r *http.Request, e *orlop.Error) {
	switch e.HTTPStatus() {
	case http.StatusUnauthorized:
		if r.Header.Get("Authorization") == "" {
			return
		}
	case http.StatusForbidden, http.StatusTooManyRequests:
	default:
		return
	}
	g.log.InfoContext(r.Context(), "denied", "request_id", w.Header().Get(RequestIDHeader),
		"method", r.Method, "path", r.URL.Path, "remote", r.RemoteAddr, "code", e.Code)
}

// errorBody is the body of an error ("Error Codes" of the specification).
type errorBody struct {
	Errors []errorEntry `json:"errors"`
}

type errorEntry struct {
	Code    string          `json:"code"`
	Message string          `json:"message"`
	Detail  json.RawMessage `json:"detail,omitempty"`
}

// explain finds the error of the specification in err, or makes one. Of a
// wrapped one only its own text goes out.
func (g *Gate) explain(w http.ResponseWriter, r *http.Request, err error) *orlop.Error {
	if e, ok := errors.AsType[*orlop.Error](err); ok {
		if e.HTTPStatus() >= 500 {
			g.logError(w, r, err)
		}
		return e
	}
	if e, ok := errors.AsType[*http.MaxBytesError](err); ok {
		e := orlop.ErrSizeInvalid.With("request body is larger than " + strconv.FormatInt(e.Limit, 10) + " bytes")
		e.Status = http.StatusRequestEntityTooLarge
		return e
	}
	if t, ok := errors.AsType[*authn.ThrottledError](err); ok {
		return orlop.ErrTooManyRequests.With(t.Error())
	}
	if o, ok := errors.AsType[*overLimit](err); ok {
		return orlop.ErrTooManyRequests.With(o.Error())
	}
	if r.Context().Err() != nil || errors.Is(err, context.DeadlineExceeded) {
		return orlop.ErrUnavailable
	}
	g.logError(w, r, err)
	return orlop.NewError(orlop.CodeUnknown, "internal error").
		WithDetail(map[string]string{"requestId": w.Header().Get(RequestIDHeader)})
}

func (g *Gate) logError(w http.ResponseWriter, r *http.Request, err error) {
	g.log.ErrorContext(r.Context(), "request failed", "request_id", w.Header().Get(RequestIDHeader),
		"method", r.Method, "path", r.URL.Path, "err", err)
}

// challengeFor is the challenge that goes with an error, without a scope if
// nothing was asked.
func (g *Gate) challengeFor(r *http.Request, err error) string {
	if e, ok := errors.AsType[*refusal](err); ok {
		return e.challenge
	}
	site, err := g.Site(r)
	if err != nil {
		return ""
	}
	return challenge(site, nil, false)
}

// later is an error that tells when it may be over.
type later interface {
	error
	RetryAfter() time.Duration
}

// retryAfter is how long a caller has to wait who asked too often, or too soon.
func retryAfter(err error) (time.Duration, bool) {
	if t, ok := errors.AsType[*authn.ThrottledError](err); ok {
		return t.After, true
	}
	if o, ok := errors.AsType[*overLimit](err); ok {
		return o.after, true
	}
	if e, ok := errors.AsType[later](err); ok {
		return e.RetryAfter(), true
	}
	return 0, false
}

// seconds rounds up, so that whoever waits that long has waited enough.
func seconds(d time.Duration) int { return max(1, int(math.Ceil(d.Seconds()))) }

// WriteJSON answers with v as JSON. v is of our own types and can be encoded.
func WriteJSON(w http.ResponseWriter, status int, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		panic("gate: " + err.Error())
	}
	h := w.Header()
	h.Set("Content-Type", "application/json; charset=utf-8")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	w.Write(body) // an error means the client has gone
}
