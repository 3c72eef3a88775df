package remote_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
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
