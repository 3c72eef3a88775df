package gate

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/orlop/orlop"
	"github.com/orlop/orlop/internal/authn"
)

func TestWriteError(t *testing.T) {
	e := newEnv(t, authn.Options{})
	for _, c := range []struct {
		err    error
		status int
		code   string
		text   string
	}{
		{orlop.ErrBlobUnknown, 404, "BLOB_UNKNOWN", ""},
		{fmt.Errorf("open /secret/path: %w", orlop.ErrBlobUnknown), 404, "BLOB_UNKNOWN", "blob unknown to registry"},
		{orlop.ErrManifestInvalid.WithDetail(map[string]string{"a": "b"}), 400, "MANIFEST_INVALID", ""},
		{fmt.Errorf("write /secret/path: %w", orlop.ErrStorageFull), 507, "STORAGE_FULL", "the registry's storage is full"},
		{fmt.Errorf("read: %w", &http.MaxBytesError{Limit: 10}), 413, "SIZE_INVALID", "request body is larger than 10 bytes"},
		{&authn.ThrottledError{After: 1500 * time.Millisecond}, 429, "TOOMANYREQUESTS", ""},
		{context.DeadlineExceeded, 503, "UNAVAILABLE", ""},
		{fmt.Errorf("open /secret/path: %w", orlop.ErrDamaged), 500, "UNKNOWN", "internal error"},
		{errors.New("SELECT secret FROM table"), 500, "UNKNOWN", "internal error"},
		{orlop.ErrUnauthorized, 401, "UNAUTHORIZED", ""},
	} {
		w := httptest.NewRecorder()
		w.Header().Set(RequestIDHeader, "the-id")
		e.WriteError(w, request(""), c.err)
		var body errorBody
		if err := json.Unmarshal(w.Body.Bytes(), &body); err != nil || len(body.Errors) != 1 {
			t.Fatalf("%v: %s, %v", c.err, w.Body, err)
		}
		got := body.Errors[0]
		if w.Code != c.status || got.Code != c.code || c.text != "" && got.Message != c.text {
			t.Errorf("%v: %d %+v", c.err, w.Code, got)
		}
		if strings.Contains(w.Body.String(), "secret") {
			t.Errorf("%v: %s", c.err, w.Body)
		}
		if c.status == 500 && !strings.Contains(w.Body.String(), "the-id") {
			t.Errorf("no id: %s", w.Body)
		}
		if c.status == 429 && w.Header().Get("Retry-After") != "2" {
			t.Errorf("retry after %s", w.Header().Get("Retry-After"))
		}
		if (c.status == 401) != (w.Header().Get("Www-Authenticate") == challengeStart) {
			t.Errorf("%v: challenge %s", c.err, w.Header().Get("Www-Authenticate"))
		}
	}
	for _, want := range []string{"the-id", "SELECT secret", "stored content is damaged"} {
		if !strings.Contains(e.log.String(), want) {
			t.Errorf("%q is not in the log:\n%s", want, e.log)
		}
	}
}

// TestSetChallenge keeps the challenge of a handler that has its own.
func TestSetChallenge(t *testing.T) {
	w := httptest.NewRecorder()
	w.Header().Set("Www-Authenticate", "Basic")
	New(Options{}).WriteError(w, request(""), orlop.ErrUnauthorized)
	if got := w.Header().Get("Www-Authenticate"); got != "Basic" {
		t.Error(got)
	}
}
