package remote

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/orlop/orlop"
	"github.com/orlop/orlop/internal/smallblobs"
)

// shelf is a registry of small blobs. Single requests wait until it is opened,
// so that those that come later gather in the queue.
type shelf struct {
	t       *testing.T
	srv     *httptest.Server
	silent  bool // it does not say that it has the extension
	answer  func(w http.ResponseWriter, body []byte)
	opened  chan struct{}
	waiting chan struct{} // gets one for each single request that waits

	mu      sync.Mutex
	blobs   map[digest.Digest][]byte
	batches int
	singles int
}

func newShelf(t *testing.T) *shelf {
	s := &shelf{t: t, opened: make(chan struct{}), waiting: make(chan struct{}, 1000), blobs: map[digest.Digest][]byte{}}
	s.srv = httptest.NewServer(s)
	t.Cleanup(s.srv.Close)
	return s
}

func (s *shelf) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !s.silent {
		w.Header().Set(smallblobs.Header, "other, "+smallblobs.Name)
	}
	body, _ := io.ReadAll(r.Body)
	if strings.Contains(r.URL.Path, "/_orlop/") {
		s.mu.Lock()
		s.batches++
		s.mu.Unlock()
		w.Header().Set("Content-Type", smallblobs.MediaTypeFrames)
		s.answer(w, body)
		return
	}
	if r.URL.Path == "/v2/" {
		return
	}
	s.waiting <- struct{}{}
	select {
	case <-s.opened:
		s.single(w, r, body)
	case <-r.Context().Done():
	}
}

// single serves one blob.
func (s *shelf) single(w http.ResponseWriter, r *http.Request, body []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.singles++
	if r.Method == http.MethodPost {
		dgst := digest.Digest(r.URL.Query().Get("digest"))
		if digest.FromBytes(body) != dgst {
			wrongDigest(w)
			return
		}
		s.blobs[dgst] = body
		w.Header().Set("Location", "/v2/a/blobs/"+string(dgst))
		w.WriteHeader(http.StatusCreated)
		return
	}
	content, ok := s.blobs[digest.Digest(r.URL.Path[strings.LastIndexByte(r.URL.Path, '/')+1:])]
	if !ok {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	_, _ = w.Write(content)
}

func wrongDigest(w http.ResponseWriter) {
	w.WriteHeader(http.StatusBadRequest)
	_, _ = io.WriteString(w, `{"errors":[{"code":"DIGEST_INVALID"}]}`)
}

// read answers a list with frames.
func (s *shelf) read(w io.Writer, body []byte) {
	list, err := smallblobs.ReadList(bytes.NewReader(body))
	if err != nil {
		s.t.Error(err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, d := range list {
		content, ok := s.blobs[d]
		size := len(content)
		if !ok {
			size = -1
		}
		_, _ = w.Write(append(smallblobs.AppendHead(nil, d, size), content...))
	}
}

// write stores frames.
func (s *shelf) write(w http.ResponseWriter, body []byte) {
	blobs, err := smallblobs.ReadAll(bytes.NewReader(body))
	if err != nil {
		s.t.Error(err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, b := range blobs {
		if !b.Whole() {
			wrongDigest(w)
			return
		}
	}
	for _, b := range blobs {
		s.blobs[b.Digest] = b.Content
	}
	w.WriteHeader(http.StatusCreated)
}

// fill puts the blobs of all texts on the shelf.
func (s *shelf) fill() {
	for i := range many {
		s.blobs[describe(text(i)).Digest] = []byte(text(i))
	}
}

func (s *shelf) open(o Options) *Registry {
	o.PlainHTTP = true
	o.Retry = RetryOptions{Attempts: 2, MinWait: time.Millisecond, MaxWait: time.Millisecond}
	transport := NewTransport()
	s.t.Cleanup(transport.CloseIdleConnections)
	o.Transport = transport
	r, err := New(strings.TrimPrefix(s.srv.URL, "http://"), o)
	if err != nil {
		s.t.Fatal(err)
	}
	if err := r.Ping(s.t.Context()); err != nil {
		s.t.Fatal(err)
	}
	return r
}

func (s *shelf) counts() (batches, singles int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.batches, s.singles
}

// gather calls do for 0 to many-1 at once. The first go alone, and are held
// until all others wait in the queue.
func (s *shelf) gather(q *queue, do func(i int)) {
	var wg sync.WaitGroup
	for i := range batchesAtOnce {
		wg.Go(func() { do(i) })
	}
	for range batchesAtOnce {
		<-s.waiting
	}
	for i := batchesAtOnce; i < many; i++ {
		wg.Go(func() { do(i) })
	}
	await(q, func() bool { return len(q.joined)+len(q.singles)+q.alone.used+q.batches.used == many })
	close(s.opened)
	wg.Wait()
}

// await waits until something holds of a queue.
func await(q *queue, holds func() bool) {
	for {
		q.mu.Lock()
		ok := holds()
		q.mu.Unlock()
		if ok {
			return
		}
		runtime.Gosched()
	}
}

const many = 40 // blobs

func text(i int) string { return fmt.Sprintf("blob number %d", i) }

func describe(content string) orlop.Descriptor {
	return orlop.Descriptor{Digest: digest.FromString(content), Size: int64(len(content))}
}

// checkError wants an error of blob i, or none of those that went alone. It
// names the blob.
func checkError(t *testing.T, i int, err, want error) {
	t.Helper()
	if i < batchesAtOnce {
		want = nil
	}
	if !errors.Is(err, want) || want == nil && err != nil {
		t.Errorf("blob %d: error %v, want %v", i, err, want)
	}
	if err != nil && !strings.Contains(err.Error(), string(describe(text(i)).Digest)) {
		t.Errorf("blob %d: the error does not name it: %v", i, err)
	}
}
