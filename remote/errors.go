package remote

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/orlop/orlop"
	"github.com/orlop/orlop/remote/auth"
)

const (
	maxErrorBody    = 64 << 10 // bytes of an error's body that are read
	maxErrorMessage = 8 << 10  // bytes of a message that are kept
)

// requestError is a request that failed: no answer, or one that is an error.
type requestError struct {
	method string
	url    string // scrubbed
	err    error  // an *orlop.Error if there was an answer
	after  time.Duration
	resp   *http.Response // its body is closed; nil if there was no answer
}

func (e *requestError) Error() string { return fmt.Sprintf("%s %s: %v", e.method, e.url, e.err) }
func (e *requestError) Unwrap() error { return e.err }

// Is tells that the request was tried as often as that may help.
func (e *requestError) Is(target error) bool { return target == orlop.ErrGaveUp }

// status returns the HTTP status of the answer that err was made of, or 0.
func status(err error) int {
	if e, ok := errors.AsType[*requestError](err); ok && e.resp != nil {
		return e.resp.StatusCode
	}
	return 0
}

// cause takes off what http.Client wraps around an error: it shows the query.
func cause(err error) error {
	if u, ok := errors.AsType[*url.Error](err); ok {
		return u.Err
	}
	return err
}

// ResponseError reads the error of an answer that Do returned, at most 64 KiB
// of it, and returns it: an *orlop.Error wrapped with method and URL. It does
// not close the body.
func ResponseError(resp *http.Response) error { return failure(resp, nil) }

// failure makes an error of an answer. absent is what 404 means where the
// registry does not say it.
func failure(resp *http.Response, absent *orlop.Error) error {
	body, _ := io.ReadAll(io.LimitReader(resp.Body, maxErrorBody)) // what can be read is enough
	e := decodeError(body)
	e.Status = resp.StatusCode
	e.Code = code(resp, e.Code, absent)
	if e.Message == "" {
		e.Message = message(resp, e.Code, absent)
	}
	re := &requestError{method: resp.Request.Method, url: scrub(resp.Request.URL), err: e, resp: resp}
	re.after, _ = retryAfter(resp.Header, time.Now())
	if re.after > 0 {
		e.Message += fmt.Sprintf(" (try again after %s)", re.after.Round(time.Second))
	}
	return re
}

// wireError is one error as a registry sends it.
type wireError struct {
	Code    string          `json:"code"`
	Message string          `json:"message"`
	Detail  json.RawMessage `json:"detail"`
}

// decodeError reads the JSON of the distribution specification ("Error
// Codes"): the first error of it that has a known code.
func decodeError(body []byte) *orlop.Error {
	var b struct {
		Errors []wireError `json:"errors"`
	}
	if json.Unmarshal(body, &b) != nil || len(b.Errors) == 0 {
		return &orlop.Error{}
	}
	first := slices.IndexFunc(b.Errors, func(e wireError) bool { return known[e.Code] })
	e := b.Errors[max(first, 0)]
	return &orlop.Error{Code: e.Code, Message: e.Message[:min(len(e.Message), maxErrorMessage)], Detail: e.Detail}
}

// known are the codes that say more than a status.
var known = map[string]bool{
	orlop.CodeBlobUnknown: true, orlop.CodeUploadInvalid: true, orlop.CodeUploadUnknown: true, orlop.CodeDigestInvalid: true,
	orlop.CodeManifestBlobUnknown: true, orlop.CodeManifestInvalid: true, orlop.CodeManifestUnknown: true, orlop.CodeNameInvalid: true,
	orlop.CodeNameUnknown: true, orlop.CodeTagUnknown: true, orlop.CodeTagInvalid: true, orlop.CodeSizeInvalid: true,
	orlop.CodeRangeInvalid: true, orlop.CodeUnauthorized: true, orlop.CodeDenied: true, orlop.CodeDisallowed: true,
	orlop.CodeUnsupported: true, orlop.CodePaginationInvalid: true, orlop.CodeTooManyRequests: true, orlop.CodeStorageFull: true,
	orlop.CodePreconditionFailed: true, orlop.CodeUnavailable: true,
}

// code settles the code of an answer from what its body says and its status.
func code(resp *http.Response, said string, absent *orlop.Error) string {
	switch status := resp.StatusCode; {
	case status == http.StatusUnauthorized:
		if said == orlop.CodeDenied || auth.Authenticated(resp) {
			return orlop.CodeDenied
		}
		return orlop.CodeUnauthorized
	case status == http.StatusForbidden && said != orlop.CodeDisallowed:
		return orlop.CodeDenied
	case known[said]:
		return said
	case status == http.StatusNotFound && absent != nil:
		return absent.Code
	}
	return cmp.Or(byStatus[resp.StatusCode], said, orlop.CodeUnknown)
}

// byStatus is what a status means where nothing else is said.
var byStatus = map[int]string{
	http.StatusMethodNotAllowed:             orlop.CodeUnsupported,
	http.StatusNotImplemented:               orlop.CodeUnsupported,
	http.StatusPreconditionFailed:           orlop.CodePreconditionFailed,
	http.StatusRequestEntityTooLarge:        orlop.CodeSizeInvalid,
	http.StatusRequestedRangeNotSatisfiable: orlop.CodeRangeInvalid,
	http.StatusTooManyRequests:              orlop.CodeTooManyRequests,
	http.StatusBadGateway:                   orlop.CodeUnavailable,
	http.StatusServiceUnavailable:           orlop.CodeUnavailable,
	http.StatusGatewayTimeout:               orlop.CodeUnavailable,
	http.StatusInsufficientStorage:          orlop.CodeStorageFull,
}

func message(resp *http.Response, code string, absent *orlop.Error) string {
	if absent != nil && code == absent.Code {
		return absent.Message
	}
	if code == orlop.CodeDenied { // the status of a token without the right is that of no token
		return orlop.ErrDenied.Message
	}
	return fmt.Sprintf("the registry answered %d %s", resp.StatusCode, http.StatusText(resp.StatusCode))
}
