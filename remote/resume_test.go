package remote_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/iotest"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/orlop/orlop"
	"github.com/orlop/orlop/remote"
)

// noise is n bytes that are hard to compress and the same every time.
func noise(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{byte(n)}).Read(b)
	return b
}

func describe(b []byte) orlop.Descriptor {
	return orlop.Descriptor{MediaType: "application/octet-stream", Digest: digest.FromBytes(b), Size: int64(len(b))}
}

// cutter passes connections on to a server, and cuts each of the first ones
// after so many bytes in one direction.
type cutter struct {
	net.Listener
	target   string
	up, down int64 // bytes after which to cut; 0: never
	cuts     atomic.Int64
}

// cuts is how many connections a cutter cuts.
const cuts = 3

func newCutter(t *testing.T, target string, up, down int64) *cutter {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := &cutter{Listener: l, target: target, up: up, down: down}
	c.cuts.Store(cuts)
	var all sync.WaitGroup
	all.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			all.Go(func() { c.serve(conn) })
		}
	})
	t.Cleanup(func() { _ = l.Close(); all.Wait() })
	return c
}

func (c *cutter) serve(client net.Conn) {
	defer client.Close()
	server, err := net.Dial("tcp", c.target)
	if err != nil {
		return
	}
	defer server.Close()
	var both sync.WaitGroup
	both.Go(func() { c.pass(server, client, c.up); _ = server.Close(); _ = client.Close() })
	both.Go(func() { c.pass(client, server, c.down); _ = server.Close(); _ = client.Close() })
	both.Wait()
}

// pass copies until the connection ends or is to be cut.
func (c *cutter) pass(to, from net.Conn, limit int64) {
	if limit == 0 || c.cuts.Load() <= 0 {
		_, _ = io.Copy(to, from)
		return
	}
	if n, _ := io.CopyN(to, from, limit); n == limit {
		c.cuts.Add(-1)
	}
}

func TestDownloadResumes(t *testing.T) {
	content := noise(3 << 20)
	for _, cut := range []int64{300, 1000, 100_000, 1 << 20, 2<<20 + 1} {
		t.Run(fmt.Sprint(cut), func(t *testing.T) {
			f := newFake(t, func(w http.ResponseWriter, r *http.Request) {
				http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(content))
			})
			c := newCutter(t, f.host(), 0, cut)
			r := open(t, c.Addr().String(), remote.Options{})
			got := readAll(t, r, describe(content).Digest)
			if !bytes.Equal(got, content) {
				t.Errorf("read %d bytes that differ", len(got))
			}
			if c.cuts.Load() == cuts {
				t.Error("nothing was cut")
			}
		})
	}
}

func readAll(t *testing.T, r orlop.Reader, dgst digest.Digest) []byte {
	t.Helper()
	b, err := r.OpenBlob(t.Context(), "a", dgst, 0, -1)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	var got bytes.Buffer
	if _, err := io.Copy(&got, b); err != nil {
		t.Fatal(err)
	}
	return got.Bytes()
}

// TestDownloadResumesWithoutRanges: a registry that sends the whole again.
func TestDownloadResumesWithoutRanges(t *testing.T) {
	content := noise(1 << 20)
	var n atomic.Int64
	f := newFake(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", fmt.Sprint(len(content)))
		if n.Add(1) == 1 {
			_, _ = w.Write(content[:300_000])
			panic(http.ErrAbortHandler)
		}
		_, _ = w.Write(content)
	})
	if got := readAll(t, f.open(t, remote.Options{}), describe(content).Digest); !bytes.Equal(got, content) {
		t.Errorf("read %d bytes that differ", len(got))
	}
	b, err := f.open(t, remote.Options{}).OpenBlob(t.Context(), "a", describe(content).Digest, 1000, 10)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	if got, err := io.ReadAll(b); !bytes.Equal(got, content[1000:1010]) || err != nil {
		t.Errorf("range: %d bytes, %v", len(got), err)
	}
}

// TestResumedDownloadIsVerified: the second part comes from other content.
func TestResumedDownloadIsVerified(t *testing.T) {
	content := noise(1 << 20)
	other := bytes.Clone(content)
	other[len(other)-1]++
	f := newFake(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Range") != "" {
			http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(other))
			return
		}
		w.Header().Set("Content-Length", fmt.Sprint(len(content)))
		_, _ = w.Write(content[:300_000])
	})
	b, err := f.open(t, remote.Options{}).OpenBlob(t.Context(), "a", describe(content).Digest, 0, -1)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	if _, err := io.Copy(io.Discard, b); !errors.Is(err, orlop.ErrDamaged) {
		t.Errorf("error %v, want ErrDamaged", err)
	}
}

func TestUploadResumesAtDistribution(t *testing.T) {
	host := distribution(t)
	for i, cut := range []int64{50, 1000, 100_000, 1 << 20, 2<<20 + 1} {
		content := noise(3<<20 + i)
		readers := map[string]func() io.Reader{
			"reader at": func() io.Reader { return bytes.NewReader(content) },
			"seeker":    func() io.Reader { return struct{ io.ReadSeeker }{bytes.NewReader(content)} },
		}
		for name, content2 := range readers {
			t.Run(fmt.Sprintf("push %s cut at %d", name, cut), func(t *testing.T) {
				c := newCutter(t, host, cut, 0)
				r := open(t, c.Addr().String(), remote.Options{})
				desc := describe(content)
				if err := r.PushBlob(t.Context(), "a", desc, content2()); err != nil {
					t.Fatal(err)
				}
				if got := readAll(t, r, desc.Digest); !bytes.Equal(got, content) {
					t.Errorf("stored %d bytes that differ", len(got))
				}
			})
		}
		t.Run(fmt.Sprintf("chunks cut at %d", cut), func(t *testing.T) {
			c := newCutter(t, host, cut, 0)
			r := open(t, c.Addr().String(), remote.Options{ChunkSize: 1 << 20})
			w, err := r.Upload(t.Context(), "a", "")
			if err != nil {
				t.Fatal(err)
			}
			if _, err := io.Copy(w, iotest.HalfReader(bytes.NewReader(content))); err != nil {
				t.Fatal(err)
			}
			desc, err := w.Commit(t.Context(), digest.FromBytes(content))
			if err != nil || desc.Size != int64(len(content)) {
				t.Fatalf("commit: %v, %v", desc, err)
			}
			if got := readAll(t, r, desc.Digest); !bytes.Equal(got, content) {
				t.Errorf("stored %d bytes that differ", len(got))
			}
		})
	}
}

// TestUploadIDResumesAtDistribution goes on with an upload by the ID it has
// after Close.
func TestUploadIDResumesAtDistribution(t *testing.T) {
	r := open(t, distribution(t), remote.Options{ChunkSize: 100 << 10})
	content := noise(1 << 20)
	id, sent := "", 0
	for sent < len(content) {
		w, err := r.Upload(t.Context(), "a", id)
		if err != nil {
			t.Fatal(err)
		}
		if w.Offset() != int64(sent) {
			t.Fatalf("goes on at %d, want %d", w.Offset(), sent)
		}
		n := min(len(content)-sent, 333_333)
		if _, err := w.Write(content[sent : sent+n]); err != nil {
			t.Fatal(err)
		}
		sent += n
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		id = w.ID()
	}
	w, err := r.Upload(t.Context(), "a", id)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Commit(t.Context(), digest.FromBytes(content)); err != nil {
		t.Fatal(err)
	}
	if got := readAll(t, r, digest.FromBytes(content)); !bytes.Equal(got, content) {
		t.Errorf("stored %d bytes that differ", len(got))
	}
}

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
