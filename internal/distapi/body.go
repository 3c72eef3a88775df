package distapi

import (
	"errors"
	"io"
	"net/http"
	"os"
	"time"

	"github.com/orlop/orlop"
)

// body is a request body with an idle deadline: every read may take up to idle,
// the whole may take any time.
type body struct {
	src  io.Reader
	ctl  *http.ResponseController
	idle time.Duration
	set  time.Time // when the deadline was last moved; zero: never
	err  error     // of the source, not io.EOF
}

func (a *API) body(w http.ResponseWriter, r *http.Request) *body {
	return &body{src: r.Body, ctl: http.NewResponseController(w), idle: a.BodyIdle}
}

// Read reads from the body. It moves the deadline only now and then, because
// bytes arrive much faster than deadlines pass.
func (b *body) Read(p []byte) (int, error) {
	if now := time.Now(); b.set.IsZero() || now.Sub(b.set) > b.idle/8 {
		// Fails where there is no connection, as in tests; then there is no
		// deadline either.
		_ = b.ctl.SetReadDeadline(now.Add(b.idle))
		b.set = now
	}
	n, err := b.src.Read(p)
	switch {
	case err == io.EOF:
		// The connection may wait for its next request as long as the server lets it.
		_ = b.ctl.SetReadDeadline(time.Time{})
	case err != nil:
		b.err = err
	}
	return n, err
}

// failure returns the error to answer after copying the body has failed with
// err: about the body if that was the cause, else err.
func (b *body) failure(err error) error {
	switch {
	case b.err == nil:
		return err
	case errors.Is(b.err, os.ErrDeadlineExceeded):
		return errBodyIdle
	}
	return errBodyCut
}

var (
	errBodyIdle = &orlop.Error{
		Code: orlop.CodeUploadInvalid, Message: "the request body stopped coming", Status: http.StatusRequestTimeout,
	}
	errBodyCut = orlop.ErrSizeInvalid.With("the request body ended early")
)
