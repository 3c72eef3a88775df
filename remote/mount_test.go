package remote_test

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/orlop/orlop"
	"github.com/orlop/orlop/remote"
)

// unread is content that must not be sent.
type unread struct{ t *testing.T }

func (u unread) Read([]byte) (int, error) {
	u.t.Error("content was read that could be mounted")
	return 0, io.ErrUnexpectedEOF
}

func (u unread) Seek(int64, int) (int64, error) { return 0, nil }

func TestPushOrMountAtServers(t *testing.T) {
	content := noise(100 << 10)
	desc := describe(content)
	for name, start := range servers {
		t.Run(name, func(t *testing.T) {
			r := open(t, start(t), remote.Options{Credential: admin()})
			if err := r.PushBlob(t.Context(), "from", desc, bytes.NewReader(content)); err != nil {
				t.Fatal(err)
			}
			mounted, err := r.PushOrMount(t.Context(), "a", "from", desc, unread{t})
			if err != nil || !mounted {
				t.Errorf("mounted: %t, %v", mounted, err)
			}
			mounted, err = r.PushOrMount(t.Context(), "b", "absent", desc, bytes.NewReader(content))
			if err != nil || mounted {
				t.Errorf("from a repository without it: mounted: %t, %v", mounted, err)
			}
			mounted, err = r.PushOrMount(t.Context(), "c", "", desc, bytes.NewReader(content))
			if err != nil {
				t.Errorf("from anywhere: mounted: %t, %v", mounted, err)
			}
			t.Logf("mounted from anywhere: %t", mounted)
			for _, repo := range []string{"a", "b", "c"} {
				if _, err := r.StatBlob(t.Context(), repo, desc.Digest); err != nil {
					t.Errorf("%s: %v", repo, err)
				}
			}
		})
	}
}

// Who gets no token for the other repository pushes.
func TestPushOrMountWithoutToken(t *testing.T) {
	content := noise(100 << 10)
	for _, refusal := range []int{http.StatusBadRequest, http.StatusUnauthorized, http.StatusForbidden} {
		f := newFake(t, func(w http.ResponseWriter, r *http.Request) {
			switch {
			case r.URL.Path == "/token" && strings.Contains(r.URL.RawQuery, "secret"):
				w.WriteHeader(refusal)
			case r.URL.Path == "/token":
				_, _ = io.WriteString(w, `{"token":"t"}`)
			case r.Header.Get("Authorization") == "":
				w.Header().Set("Www-Authenticate", `Bearer realm="http://`+r.Host+`/token",service="s"`)
				w.WriteHeader(http.StatusUnauthorized)
			case r.Method == http.MethodPost && r.URL.RawQuery == "":
				w.Header().Set("Location", "/v2/a/blobs/uploads/1")
				w.WriteHeader(http.StatusAccepted)
			case r.Method == http.MethodPut:
				_, _ = io.Copy(io.Discard, r.Body)
				w.WriteHeader(http.StatusCreated)
			default:
				w.WriteHeader(http.StatusTeapot)
			}
		})
		r := f.open(t, remote.Options{Credential: admin()})
		mounted, err := r.PushOrMount(t.Context(), "a", "secret", describe(content), bytes.NewReader(content))
		if err != nil || mounted {
			t.Errorf("%d: mounted: %t, %v after %q", refusal, mounted, err, f.seen())
		}
	}
}

// taker is a registry that takes uploads, and answers mounts as a test wants.
func taker(t *testing.T, mount func(w http.ResponseWriter, r *http.Request)) (*fake, *bytes.Buffer) {
	t.Helper()
	var stored bytes.Buffer
	f := newFake(t, func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Method == http.MethodPost && r.URL.Query().Has("mount"):
			mount(w, r)
		case r.Method == http.MethodPost:
			w.Header().Set("Location", "/v2/a/blobs/uploads/plain")
			w.WriteHeader(http.StatusAccepted)
		case r.Method == http.MethodDelete:
			w.WriteHeader(http.StatusNoContent)
		default:
			_, _ = stored.ReadFrom(r.Body)
			w.WriteHeader(http.StatusCreated)
		}
	})
	return f, &stored
}

func TestPushOrMountAnswers(t *testing.T) {
	content := noise(100 << 10)
	desc := describe(content)
	d := string(desc.Digest)
	mount := "POST /v2/a/blobs/uploads/?from=b&mount=" + strings.ReplaceAll(d, ":", "%3A")
	const start = "POST /v2/a/blobs/uploads/"
	put := func(id string) string {
		return "PUT /v2/a/blobs/uploads/" + id + "?digest=" + strings.ReplaceAll(d, ":", "%3A")
	}
	status := func(code int) func(w http.ResponseWriter, r *http.Request) {
		return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }
	}
	answer := func(code int, header, value string) func(w http.ResponseWriter, r *http.Request) {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set(header, value)
			w.WriteHeader(code)
		}
	}
	for name, tt := range map[string]struct {
		mount   func(w http.ResponseWriter, r *http.Request)
		mounted bool
		want    []string
		err     error // of the push; errAny: any
	}{
		"mounted":           {answer(201, "Location", "/v2/a/blobs/"+d), true, []string{mount}, nil},
		"upload offered":    {answer(202, "Location", "/v2/a/blobs/uploads/offered"), false, []string{mount, put("offered")}, nil},
		"bad request":       {status(400), false, []string{mount, start, put("plain")}, nil},
		"not logged in":     {status(401), false, []string{mount, start, put("plain")}, nil},
		"denied":            {status(403), false, []string{mount, start, put("plain")}, nil},
		"absent":            {status(404), false, []string{mount, start, put("plain")}, nil},
		"not allowed":       {status(405), false, []string{mount, start, put("plain")}, nil},
		"not implemented":   {status(501), false, []string{mount, start, put("plain")}, nil},
		"full":              {status(507), false, []string{mount}, orlop.ErrStorageFull},
		"another blob":      {answer(201, "Docker-Content-Digest", string(digest.FromString("x"))), false, []string{mount}, orlop.ErrDamaged},
		"offered nowhere":   {status(202), false, []string{mount}, errAny},
		"offered elsewhere": {answer(202, "Location", "http://127.0.0.1:1/v2/a/blobs/uploads/x"), false, []string{mount}, remote.ErrRedirect},
	} {
		t.Run(name, func(t *testing.T) {
			f, stored := taker(t, tt.mount)
			r := f.open(t, remote.Options{})
			mounted, err := r.PushOrMount(t.Context(), "a", "b", desc, bytes.NewReader(content))
			if bad := err == nil && tt.err != nil; bad || tt.err != errAny && !errors.Is(err, tt.err) {
				t.Errorf("error %v, want %v", err, tt.err)
			}
			if mounted != tt.mounted || !slices.Equal(f.seen(), tt.want) {
				t.Errorf("mounted: %t after %q", mounted, f.seen())
			}
			if sent := stored.Len() > 0; sent && !bytes.Equal(stored.Bytes(), content) || sent != (err == nil && !mounted) {
				t.Errorf("%d bytes were sent", stored.Len())
			}
		})
	}
}

var errAny = errors.New("any error")

// A registry that does not know mounts from anywhere is asked for one once.
func TestMountFromAnywhere(t *testing.T) {
	f, _ := taker(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadRequest) })
	r := f.open(t, remote.Options{})
	for i := range 3 {
		content := noise(100<<10 + i)
		if mounted, err := r.PushOrMount(t.Context(), "a", "", describe(content), bytes.NewReader(content)); err != nil || mounted {
			t.Errorf("mounted: %t, %v", mounted, err)
		}
	}
	tries := 0
	for _, line := range f.seen() {
		if strings.Contains(line, "mount=") {
			tries++
		}
	}
	if tries != 1 || f.count(http.MethodPut) != 3 {
		t.Errorf("%d mounts tried, %d blobs sent", tries, f.count(http.MethodPut))
	}
	small := noise(10)
	before := len(f.seen())
	_, err := r.PushOrMount(t.Context(), "a", "", describe(small), bytes.NewReader(small))
	if after := f.seen()[before:]; err != nil || strings.Contains(after[0], "mount=") {
		t.Errorf("a small blob: %v after %q", err, after)
	}
}

func TestMount(t *testing.T) {
	for _, tt := range []struct {
		status  int
		body    string
		want    error
		deletes int
	}{
		{201, "", nil, 0},
		{202, "", orlop.ErrBlobUnknown, 1}, // the offered session is given back
		{401, "", orlop.ErrBlobUnknown, 0},
		{403, "", orlop.ErrBlobUnknown, 0},
		{404, `{"errors":[{"code":"NAME_UNKNOWN"}]}`, orlop.ErrBlobUnknown, 0},
		{405, "", orlop.ErrBlobUnknown, 0},
		{501, "", orlop.ErrBlobUnknown, 0},
		{507, "", orlop.ErrStorageFull, 0},
	} {
		f := newFake(t, func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodDelete {
				w.WriteHeader(http.StatusNoContent)
				return
			}
			w.Header().Set("Location", "/v2/a/blobs/uploads/1")
			w.WriteHeader(tt.status)
			_, _ = io.WriteString(w, tt.body)
		})
		err := f.open(t, remote.Options{}).MountBlob(t.Context(), "a", "b", digest.FromString("x"))
		if !errors.Is(err, tt.want) || f.count(http.MethodDelete) != tt.deletes {
			t.Errorf("%d: error %v after %q", tt.status, err, f.seen())
		}
	}
}
