package remote_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/orlop/orlop"
	"github.com/orlop/orlop/remote"
)

// moody is a registry in memory for one upload. fail is asked before every
// request is served and may answer in its place.
func moody(t *testing.T, fail func(w http.ResponseWriter, r *http.Request, n int) bool) (*fake, *bytes.Buffer) {
	var (
		mu     sync.Mutex
		stored bytes.Buffer
		n      int
		done   bool
	)
	f := newFake(t, func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		if n++; fail(w, r, n) {
			return
		}
		w.Header().Set("Location", "/v2/a/blobs/uploads/1?state=x")
		switch r.Method {
		case http.MethodHead:
			w.Header().Set("Content-Length", fmt.Sprint(stored.Len()))
			if !done {
				w.WriteHeader(http.StatusNotFound)
			}
		case http.MethodPost:
			stored.Reset()
			w.WriteHeader(http.StatusAccepted)
		case http.MethodPatch, http.MethodPut:
			_, _ = io.Copy(&stored, r.Body)
			w.Header().Set("Range", fmt.Sprintf("0-%d", stored.Len()-1))
			if done = r.Method == http.MethodPut; done {
				w.WriteHeader(http.StatusCreated)
				return
			}
			w.WriteHeader(http.StatusAccepted)
		case http.MethodGet:
			w.Header().Set("Range", fmt.Sprintf("0-%d", max(stored.Len()-1, 0)))
			w.WriteHeader(http.StatusNoContent)
		}
	})
	return f, &stored
}

func TestUploadIsTriedAgain(t *testing.T) {
	content := noise(2 << 20)
	on := func(method string, answer http.HandlerFunc) func(http.ResponseWriter, *http.Request, int) bool {
		failed := 0
		return func(w http.ResponseWriter, r *http.Request, _ int) bool {
			if r.Method != method || failed == 2 {
				return false
			}
			failed++
			answer(w, r)
			return true
		}
	}
	status := func(code int, header ...string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			if len(header) > 0 {
				w.Header().Set(header[0], header[1])
			}
			w.WriteHeader(code)
		}
	}
	for name, fail := range map[string]func(http.ResponseWriter, *http.Request, int) bool{
		"503 to POST":      on(http.MethodPost, status(503)),
		"503 to PUT":       on(http.MethodPut, status(503)),
		"429 with seconds": on(http.MethodPut, status(429, "Retry-After", "0")),
		"429 with a date":  on(http.MethodPut, status(429, "Retry-After", "Mon, 02 Jan 2006 15:04:05 GMT")),
		"500 to PUT":       on(http.MethodPut, status(500)),
		"a cut of PUT":     on(http.MethodPut, func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }),
		"a cut of PUT in its middle": on(http.MethodPut, func(_ http.ResponseWriter, r *http.Request) {
			_, _ = io.CopyN(io.Discard, r.Body, 1e6)
			panic(http.ErrAbortHandler)
		}),
		"a session that is gone": on(http.MethodPut, status(404)),
	} {
		t.Run(name, func(t *testing.T) {
			f, stored := moody(t, fail)
			r := f.open(t, remote.Options{})
			if err := r.PushBlob(t.Context(), "a", describe(content), bytes.NewReader(content)); err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(stored.Bytes(), content) {
				t.Errorf("stored %d bytes that differ", stored.Len())
			}
		})
	}
}

// TestLostAnswer: the blob is complete and only the answer did not arrive.
func TestLostAnswer(t *testing.T) {
	content := noise(2 << 20)
	lost := false
	f, stored := moody(t, func(w http.ResponseWriter, r *http.Request, _ int) bool {
		switch r.Method {
		case http.MethodPut:
			lost = true
			_, _ = io.Copy(io.Discard, r.Body)
			panic(http.ErrAbortHandler)
		case http.MethodGet:
			w.WriteHeader(http.StatusNotFound)
			return true
		case http.MethodHead:
			w.Header().Set("Content-Length", fmt.Sprint(len(content)))
			return lost
		}
		return false
	})
	if err := f.open(t, remote.Options{}).PushBlob(t.Context(), "a", describe(content), bytes.NewReader(content)); err != nil {
		t.Fatal(err)
	}
	if f.count(http.MethodPut) != 1 || stored.Len() != 0 {
		t.Errorf("requests: %q", f.seen())
	}
}

func TestStreamIsNotSentTwice(t *testing.T) {
	content := noise(2 << 20)
	f, _ := moody(t, func(w http.ResponseWriter, r *http.Request, _ int) bool {
		if r.Method == http.MethodPut {
			_, _ = io.CopyN(io.Discard, r.Body, 1000)
			w.WriteHeader(http.StatusServiceUnavailable)
			return true
		}
		return false
	})
	r := f.open(t, remote.Options{})
	err := r.PushBlob(t.Context(), "a", describe(content), io.MultiReader(bytes.NewReader(content)))
	if !errors.Is(err, orlop.ErrUnavailable) || f.count(http.MethodPut) != 1 {
		t.Errorf("error %v after %q", err, f.seen())
	}
	if f.count(http.MethodDelete) != 1 {
		t.Errorf("the session was not cancelled: %q", f.seen())
	}
}

func TestBadContent(t *testing.T) {
	f, _ := moody(t, func(http.ResponseWriter, *http.Request, int) bool { return false })
	r := f.open(t, remote.Options{})
	desc := describe(noise(2 << 20))
	broken := errors.New("the disk is broken")
	for name, tt := range map[string]struct {
		content io.Reader
		want    error
	}{
		"short stream":  {io.MultiReader(bytes.NewReader(noise(1000))), orlop.ErrSizeInvalid},
		"short file":    {bytes.NewReader(noise(1000)), orlop.ErrSizeInvalid},
		"broken stream": {io.MultiReader(bytes.NewReader(noise(1000)), iotest.ErrReader(broken)), broken},
	} {
		if err := r.PushBlob(t.Context(), "a", desc, tt.content); !errors.Is(err, tt.want) {
			t.Errorf("%s: error %v, want %v", name, err, tt.want)
		}
	}
	if err := r.PushBlob(t.Context(), "a", orlop.Descriptor{Digest: desc.Digest, Size: -1}, nil); !errors.Is(err, orlop.ErrSizeInvalid) {
		t.Errorf("negative size: %v", err)
	}
}

func TestRetryAfterIsLimited(t *testing.T) {
	f := newFake(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Retry-After", "61")
		w.WriteHeader(http.StatusTooManyRequests)
	})
	err := f.open(t, remote.Options{}).Ping(t.Context())
	if !errors.Is(err, orlop.ErrTooManyRequests) || !strings.Contains(err.Error(), "1m1s") || len(f.seen()) != 1 {
		t.Errorf("error %v after %d requests", err, len(f.seen()))
	}
}

func TestAttemptsAreLimited(t *testing.T) {
	f := newFake(t, func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(http.StatusBadGateway) })
	err := f.open(t, remote.Options{Retry: remote.RetryOptions{Attempts: 3, MinWait: 1}}).Ping(t.Context())
	if !errors.Is(err, orlop.ErrUnavailable) || len(f.seen()) != 3 {
		t.Errorf("error %v after %d requests", err, len(f.seen()))
	}
}

func TestStall(t *testing.T) {
	content := noise(1 << 20)
	stalls := map[string]http.HandlerFunc{
		"no answer": func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() },
		"half a body": func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Length", fmt.Sprint(len(content)))
			_, _ = w.Write(content[:1000])
			w.(http.Flusher).Flush()
			<-r.Context().Done()
		},
	}
	for name, h := range stalls {
		t.Run(name, func(t *testing.T) {
			r := newFake(t, h).open(t, remote.Options{IdleTimeout: 20 * time.Millisecond, Retry: remote.RetryOptions{Attempts: 2, MinWait: 1}})
			b, err := r.OpenBlob(t.Context(), "a", describe(content).Digest, 0, -1)
			if err == nil {
				_, err = io.Copy(io.Discard, b)
				_ = b.Close()
			}
			if !errors.Is(err, remote.ErrStalled) {
				t.Errorf("error %v, want ErrStalled", err)
			}
		})
	}
}

// TestStalledUpload: the registry stops reading.
func TestStalledUpload(t *testing.T) {
	release := make(chan struct{})
	f, _ := moody(t, func(_ http.ResponseWriter, r *http.Request, _ int) bool {
		if r.Method == http.MethodPut {
			<-release
		}
		return false
	})
	t.Cleanup(func() { close(release) })
	r := f.open(t, remote.Options{IdleTimeout: 50 * time.Millisecond, Retry: remote.RetryOptions{Attempts: 1}})
	content := noise(32 << 20) // more than the buffers on the way hold
	err := r.PushBlob(t.Context(), "a", describe(content), bytes.NewReader(content))
	if !errors.Is(err, remote.ErrStalled) {
		t.Errorf("error %v, want ErrStalled", err)
	}
}

// TestUploadIsNotTriedAgainInVain: what will not change is not tried again.
func TestUploadIsNotTriedAgainInVain(t *testing.T) {
	content := noise(2 << 20)
	for name, tt := range map[string]struct {
		answer func(http.ResponseWriter)
		puts   int
	}{
		"redirected": {func(w http.ResponseWriter) { w.Header().Set("Location", "http://127.0.0.1:1/"); w.WriteHeader(307) }, 1},
		"forbidden":  {func(w http.ResponseWriter) { w.WriteHeader(403) }, 1},
		"refused":    {func(w http.ResponseWriter) { w.WriteHeader(401) }, 2}, // a token may have expired
		"full":       {func(w http.ResponseWriter) { w.WriteHeader(507) }, 1},
		"bad digest": {func(w http.ResponseWriter) {
			w.WriteHeader(400)
			_, _ = io.WriteString(w, `{"errors":[{"code":"DIGEST_INVALID"}]}`)
		}, 1},
		"another": {func(w http.ResponseWriter) {
			w.Header().Set("Docker-Content-Digest", string(digest.FromString("x")))
			w.WriteHeader(201)
		}, 1},
	} {
		f, _ := moody(t, func(w http.ResponseWriter, r *http.Request, _ int) bool {
			if r.Method != http.MethodPut {
				return false
			}
			_, _ = io.Copy(io.Discard, r.Body)
			tt.answer(w)
			return true
		})
		err := f.open(t, remote.Options{}).PushBlob(t.Context(), "a", describe(content), bytes.NewReader(content))
		if err == nil || f.count(http.MethodPut) != tt.puts {
			t.Errorf("%s: error %v after %q", name, err, f.seen())
		}
	}
}
