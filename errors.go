package orlop

import (
	"encoding/json"
	"errors"
	"net/http"
)

// Error codes of the distribution specification ("Error Codes"), and those
// that registries have added to it.
const (
	CodeBlobUnknown         = "BLOB_UNKNOWN"
	CodeUploadInvalid       = "BLOB_UPLOAD_INVALID"
	CodeUploadUnknown       = "BLOB_UPLOAD_UNKNOWN"
	CodeDigestInvalid       = "DIGEST_INVALID"
	CodeManifestBlobUnknown = "MANIFEST_BLOB_UNKNOWN"
	CodeManifestInvalid     = "MANIFEST_INVALID"
	CodeManifestUnknown     = "MANIFEST_UNKNOWN"
	CodeNameInvalid         = "NAME_INVALID"
	CodeNameUnknown         = "NAME_UNKNOWN"
	CodeTagUnknown          = "TAG_UNKNOWN"
	CodeTagInvalid          = "TAG_INVALID"
	CodeSizeInvalid         = "SIZE_INVALID"
	CodeRangeInvalid        = "RANGE_INVALID"
	CodeUnauthorized        = "UNAUTHORIZED"
	CodeDenied              = "DENIED"
	CodeDisallowed          = "REGISTRY_DISALLOWED_OPERATION"
	CodeUnsupported         = "UNSUPPORTED"
	CodePaginationInvalid   = "PAGINATION_NUMBER_INVALID"
	CodeTooManyRequests     = "TOOMANYREQUESTS"
	CodeStorageFull         = "STORAGE_FULL"
	CodePreconditionFailed  = "PRECONDITION_FAILED"
	CodeUnavailable         = "UNAVAILABLE"
	CodeUnknown             = "UNKNOWN"
)

// Sentinel errors: errors.Is(err, ErrBlobUnknown) holds for every Error with
// that code, wherever it was made, on either side of the wire.
var (
	ErrBlobUnknown         = NewError(CodeBlobUnknown, "blob unknown to registry")
	ErrUploadInvalid       = NewError(CodeUploadInvalid, "blob upload invalid")
	ErrUploadUnknown       = NewError(CodeUploadUnknown, "blob upload unknown to registry")
	ErrDigestInvalid       = NewError(CodeDigestInvalid, "provided digest did not match uploaded content")
	ErrManifestBlobUnknown = NewError(CodeManifestBlobUnknown, "manifest references a manifest or blob unknown to registry")
	ErrManifestInvalid     = NewError(CodeManifestInvalid, "manifest invalid")
	ErrManifestUnknown     = NewError(CodeManifestUnknown, "manifest unknown to registry")
	ErrNameInvalid         = NewError(CodeNameInvalid, "invalid repository name")
	ErrNameUnknown         = NewError(CodeNameUnknown, "repository name not known to registry")
	ErrTagUnknown          = NewError(CodeTagUnknown, "tag unknown to registry")
	ErrTagInvalid          = NewError(CodeTagInvalid, "invalid tag")
	ErrSizeInvalid         = NewError(CodeSizeInvalid, "provided length did not match content length")
	ErrRangeInvalid        = NewError(CodeRangeInvalid, "invalid content range")
	ErrUnauthorized        = NewError(CodeUnauthorized, "authentication required")
	ErrDenied              = NewError(CodeDenied, "requested access to the resource is denied")
	ErrDisallowed          = NewError(CodeDisallowed, "the operation is disallowed on this registry, repository or image")
	ErrUnsupported         = NewError(CodeUnsupported, "the operation is unsupported")
	ErrPaginationInvalid   = NewError(CodePaginationInvalid, "invalid number of results requested")
	ErrTooManyRequests     = NewError(CodeTooManyRequests, "too many requests")
	ErrStorageFull         = NewError(CodeStorageFull, "the registry's storage is full")
	ErrPreconditionFailed  = NewError(CodePreconditionFailed, "precondition failed")
	ErrUnavailable         = NewError(CodeUnavailable, "the service is not available")
)

// ErrDamaged reports stored content that does not match its digest or
// checksum. It is never served as good.
var ErrDamaged = errors.New("stored content is damaged")

// ErrGaveUp reports a registry that could not be reached, or broke off, as often
// as its Reader is willing to try: who uses the Reader need not try again at
// once, though a later run may succeed.
var ErrGaveUp = errors.New("gave up")

// status is the HTTP status that goes with each code, where the specification
// or the practice of registries names one.
var status = map[string]int{
	CodeBlobUnknown:         http.StatusNotFound,
	CodeUploadInvalid:       http.StatusBadRequest,
	CodeUploadUnknown:       http.StatusNotFound,
	CodeDigestInvalid:       http.StatusBadRequest,
	CodeManifestBlobUnknown: http.StatusBadRequest,
	CodeManifestInvalid:     http.StatusBadRequest,
	CodeManifestUnknown:     http.StatusNotFound,
	CodeNameInvalid:         http.StatusBadRequest,
	CodeNameUnknown:         http.StatusNotFound,
	CodeTagUnknown:          http.StatusNotFound,
	CodeTagInvalid:          http.StatusBadRequest,
	CodeSizeInvalid:         http.StatusBadRequest,
	CodeRangeInvalid:        http.StatusRequestedRangeNotSatisfiable,
	CodeUnauthorized:        http.StatusUnauthorized,
	CodeDenied:              http.StatusForbidden,
	CodeDisallowed:          http.StatusMethodNotAllowed,
	CodeUnsupported:         http.StatusMethodNotAllowed,
	CodePaginationInvalid:   http.StatusBadRequest,
	CodeTooManyRequests:     http.StatusTooManyRequests,
	CodeStorageFull:         http.StatusInsufficientStorage,
	CodePreconditionFailed:  http.StatusPreconditionFailed,
	CodeUnavailable:         http.StatusServiceUnavailable,
}

// Error is an error of the distribution specification: what a registry puts
// into the JSON body of an answer, and what a client makes of it again.
type Error struct {
	Code    string          // one of the Code constants, or a registry's own
	Message string          // for people
	Detail  json.RawMessage // JSON, may be nil
	Status  int             // HTTP status if it is not the usual one of Code; 0 otherwise
}

// NewError returns an Error with the usual status of code.
func NewError(code, message string) *Error { return &Error{Code: code, Message: message} }

// With returns a copy of e with another message. It still matches e by
// errors.Is.
func (e *Error) With(message string) *Error {
	c := *e
	c.Message = message
	return &c
}

// WithDetail returns a copy of e whose detail is v as JSON.
func (e *Error) WithDetail(v any) *Error {
	c := *e
	if raw, err := json.Marshal(v); err == nil {
		c.Detail = raw
	}
	return &c
}

// Error returns the message, or the code where there is none.
func (e *Error) Error() string {
	if e.Message == "" {
		return e.Code
	}
	return e.Message
}

// Is matches errors by code, so that errors.Is works across the wire.
func (e *Error) Is(target error) bool {
	t, ok := target.(*Error)
	return ok && t.Code == e.Code
}

// HTTPStatus returns the HTTP status of the error: 500 if nothing is known.
func (e *Error) HTTPStatus() int {
	if e.Status != 0 {
		return e.Status
	}
	if s, ok := status[e.Code]; ok {
		return s
	}
	return http.StatusInternalServerError
}
