package adminapi

import (
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"strconv"
	"time"

	"github.com/orlop/orlop"
)

const (
	maxBody     = 64 << 10 // bytes of a request
	defaultPage = 100
	maxPage     = 1000
)

// readJSON reads the body, one JSON value without unknown fields. The media
// type is demanded because a form of another site's page cannot send it.
func readJSON(w http.ResponseWriter, r *http.Request, v any) error {
	if typ, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || typ != "application/json" {
		e := invalid("the body must be application/json")
		e.Status = http.StatusUnsupportedMediaType
		return e
	}
	dec := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody))
	dec.DisallowUnknownFields()
	if err := dec.Decode(v); err != nil {
		return bodyError(err)
	}
	if err := dec.Decode(new(json.RawMessage)); !errors.Is(err, io.EOF) {
		return invalid("the body must be one JSON value")
	}
	return nil
}

func bodyError(err error) error {
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return err
	}
	return invalid("malformed JSON: " + err.Error())
}

// pageSize reads the query parameter n.
func pageSize(r *http.Request) (int, error) {
	text := r.URL.Query().Get("n")
	if text == "" {
		return defaultPage, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > maxPage {
		return 0, orlop.ErrPaginationInvalid.With("n must be from 1 to " + strconv.Itoa(maxPage))
	}
	return n, nil
}

// instant is a point in time that may be absent.
func instant(t *time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return *t
}

// invalid is an error of the caller.
func invalid(message string) *orlop.Error {
	return &orlop.Error{Code: "INVALID_REQUEST", Status: http.StatusBadRequest, Message: message}
}
