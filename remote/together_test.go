package remote

import (
	"bytes"
	"context"
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

// TestReadTogether reads many blobs by few requests.
func TestReadTogether(t *testing.T) {
	s := newShelf(t)
	s.answer = func(w http.ResponseWriter, body []byte) { s.read(w, body) }
	s.fill()
	r := s.open(Options{})
	s.gather(r.reads, func(i int) {
		i %= 30 // some of them twice
		raw, err := r.ReadBlob(t.Context(), "a", describe(text(i)))
		if err != nil || string(raw) != text(i) {
			t.Errorf("blob %d: %q, %v", i, raw, err)
		}
	})
	if batches, singles := s.counts(); batches != 1 || singles != batchesAtOnce {
		t.Errorf("%d batches and %d single requests", batches, singles)
	}
}

// readAnswers are the ways in which a registry answers a batch.
var readAnswers = []struct {
	name   string
	answer func(s *shelf, w http.ResponseWriter, body []byte)
	err    error // of those in the batch; nil: all are read
	apart  bool  // no more batches are sent
}{
	{"nothing there", func(_ *shelf, w http.ResponseWriter, body []byte) {
		_, _ = io.WriteString(w, strings.ReplaceAll(string(body), "\n", " -1\n"))
	}, nil, false},
	{"nothing", func(*shelf, http.ResponseWriter, []byte) {}, nil, false},
	{"half", changed(func(raw string) string { return raw[:len(raw)/2] }), nil, false},
	{"more", changed(func(raw string) string { return raw + raw }), nil, false},
	{"cut", func(_ *shelf, w http.ResponseWriter, _ []byte) {
		w.Header().Set("Content-Length", "1000")
		_, _ = io.WriteString(w, "sha256")
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}, nil, false},
	{"another content", changed(func(raw string) string { return strings.ReplaceAll(raw, "number", "NUMBER") }), orlop.ErrDamaged, false},
	{"another digest", func(s *shelf, w http.ResponseWriter, _ []byte) {
		s.read(w, smallblobs.AppendList(nil, describe(text(0)).Digest))
	}, nil, true},
	{"another order", func(s *shelf, w http.ResponseWriter, body []byte) {
		lines := strings.SplitAfter(string(body), "\n")
		s.read(w, []byte(strings.Join(append(lines[1:], lines[0]), "")))
	}, nil, true},
	{"no frames", func(_ *shelf, w http.ResponseWriter, _ []byte) { _, _ = io.WriteString(w, "<html>\n") }, nil, true},
	{"another type", func(_ *shelf, w http.ResponseWriter, _ []byte) { w.Header().Set("Content-Type", "text/html") }, nil, true},
	{"a line without end", func(_ *shelf, w http.ResponseWriter, _ []byte) { repeat(w, strings.Repeat("a", 4096)) }, nil, true},
	{"frames without end", func(s *shelf, w http.ResponseWriter, body []byte) {
		s.read(w, body)
		repeat(w, string(smallblobs.AppendHead(nil, digest.FromString(""), 0)))
	}, nil, false},
	{"huge frames", changed(func(raw string) string { return strings.ReplaceAll(raw, " 1", " 1000000000000000") }), nil, true},
	{"compressed", func(s *shelf, w http.ResponseWriter, body []byte) {
		w.Header().Set("Content-Encoding", "gzip")
		s.read(w, body)
	}, nil, true},
	{"redirect", func(_ *shelf, w http.ResponseWriter, _ []byte) {
		w.Header().Set("Location", "http://elsewhere.example/")
		w.WriteHeader(http.StatusTemporaryRedirect)
	}, nil, true},
	{"204", withStatus(204), nil, true},
	{"400", withStatus(400), nil, true},
	{"404", withStatus(404), nil, true},
	{"405", withStatus(405), nil, true},
	{"413", withStatus(413), nil, true},
	{"501", withStatus(501), nil, true},
	{"403", withStatus(403), orlop.ErrDenied, false},
	{"429", withStatus(429), orlop.ErrTooManyRequests, false},
	{"500", withStatus(500), orlop.NewError(orlop.CodeUnknown, ""), false},
	{"503", withStatus(503), orlop.ErrUnavailable, false},
}

// changed answers with frames after a change.
func changed(change func(raw string) string) func(s *shelf, w http.ResponseWriter, body []byte) {
	return func(s *shelf, w http.ResponseWriter, body []byte) {
		var b strings.Builder
		s.read(&b, body)
		_, _ = io.WriteString(w, change(b.String()))
	}
}

func withStatus(code int) func(s *shelf, w http.ResponseWriter, body []byte) {
	return func(_ *shelf, w http.ResponseWriter, _ []byte) { w.WriteHeader(code) }
}

// repeat writes a text until nobody reads any more.
func repeat(w io.Writer, text string) {
	for {
		if _, err := io.WriteString(w, text); err != nil {
			return
		}
	}
}

// TestReadTogetherAnswers reads from registries that answer a batch in all ways:
// what is read is right, or an error.
func TestReadTogetherAnswers(t *testing.T) {
	for _, c := range readAnswers {
		t.Run(c.name, func(t *testing.T) {
			s := newShelf(t)
			s.answer = func(w http.ResponseWriter, body []byte) { c.answer(s, w, body) }
			s.fill()
			r := s.open(Options{})
			s.gather(r.reads, func(i int) {
				raw, err := r.ReadBlob(t.Context(), "a", describe(text(i)))
				if err == nil && string(raw) != text(i) {
					t.Errorf("blob %d is %q", i, raw)
				}
				checkError(t, i, err, c.err)
			})
			if batches, _ := s.counts(); batches == 0 || r.apart.Load() != c.apart {
				t.Errorf("%d batches; apart from now on: %v", batches, r.apart.Load())
			}
		})
	}
}

// TestReadTogetherWrongSize asks for a blob by a size that it does not have.
func TestReadTogetherWrongSize(t *testing.T) {
	s := newShelf(t)
	s.answer = func(w http.ResponseWriter, body []byte) { s.read(w, body) }
	s.fill()
	r := s.open(Options{})
	s.gather(r.reads, func(i int) {
		desc := describe(text(i))
		if i == 20 {
			desc.Size++
		}
		if _, err := r.ReadBlob(t.Context(), "a", desc); errors.Is(err, orlop.ErrDamaged) != (i == 20) {
			t.Errorf("blob %d: %v", i, err)
		}
	})
	if r.apart.Load() {
		t.Error("the registry is blamed")
	}
}

// TestNotAsked never sends a batch to a registry that does not offer it.
func TestNotAsked(t *testing.T) {
	s := newShelf(t)
	s.silent = true
	s.fill()
	r := s.open(Options{})
	s.gather(r.reads, func(i int) {
		if _, err := r.ReadBlob(t.Context(), "a", describe(text(i))); err != nil {
			t.Error(err)
		}
	})
	if batches, singles := s.counts(); batches != 0 || singles != many {
		t.Errorf("%d batches, %d single requests", batches, singles)
	}
}

// TestReadStalls asks a registry that never begins its answer to a batch.
func TestReadStalls(t *testing.T) {
	s := newShelf(t)
	ended := make(chan struct{})
	defer close(ended)
	s.answer = func(http.ResponseWriter, []byte) { <-ended }
	r := s.open(Options{IdleTimeout: 10 * time.Millisecond})
	b := &batch{repo: "a", blobs: []*waiting{{desc: describe(text(1))}}}
	b.ctx, b.cancel = context.WithCancel(t.Context())
	r.readBatch(b) // returns, and tells nobody anything
	if r.apart.Load() {
		t.Error("the registry is blamed for being slow")
	}
}

// TestPushTogether pushes many blobs by few requests.
func TestPushTogether(t *testing.T) {
	s := newShelf(t)
	s.answer = s.write
	r := s.open(Options{})
	s.gather(r.pushes, func(i int) {
		if err := r.PushBlob(t.Context(), "a", describe(text(i)), strings.NewReader(text(i))); err != nil {
			t.Errorf("blob %d: %v", i, err)
		}
	})
	if batches, singles := s.counts(); batches != 1 || singles != batchesAtOnce || len(s.blobs) != many {
		t.Errorf("%d batches and %d single requests for %d blobs", batches, singles, len(s.blobs))
	}
}

// TestPushTogetherAnswers pushes to registries that answer a batch in all ways.
func TestPushTogetherAnswers(t *testing.T) {
	for _, c := range []struct {
		status int
		err    error // of those in the batch; nil: all are pushed
		apart  bool
	}{
		{200, nil, true}, {202, nil, true}, {400, nil, true}, {404, nil, true}, {405, nil, true}, {411, nil, true}, {413, nil, true}, {501, nil, true},
		{401, orlop.ErrUnauthorized, false}, {403, orlop.ErrDenied, false}, {429, orlop.ErrTooManyRequests, false},
		{503, orlop.ErrUnavailable, false}, {507, orlop.ErrStorageFull, false},
	} {
		t.Run(fmt.Sprint(c.status), func(t *testing.T) {
			s := newShelf(t)
			s.answer = func(w http.ResponseWriter, _ []byte) { w.WriteHeader(c.status) }
			r := s.open(Options{})
			s.gather(r.pushes, func(i int) {
				err := r.PushBlob(t.Context(), "a", describe(text(i)), strings.NewReader(text(i)))
				checkError(t, i, err, c.err)
			})
			if r.apart.Load() != c.apart {
				t.Errorf("apart from now on: %v", r.apart.Load())
			}
			if c.err == nil && len(s.blobs) != many {
				t.Errorf("%d blobs are there", len(s.blobs))
			}
		})
	}
}

// TestPushTogetherWrongContent pushes one blob that is not what it should be:
// the others are pushed, and it alone fails.
func TestPushTogetherWrongContent(t *testing.T) {
	s := newShelf(t)
	s.answer = s.write
	r := s.open(Options{})
	s.gather(r.pushes, func(i int) {
		content := text(i)
		if i == 20 {
			content = strings.ToUpper(content)
		}
		err := r.PushBlob(t.Context(), "a", describe(text(i)), strings.NewReader(content))
		if errors.Is(err, orlop.ErrDigestInvalid) != (i == 20) || i != 20 && err != nil {
			t.Errorf("blob %d: %v", i, err)
		}
	})
	if len(s.blobs) != many-1 || r.apart.Load() {
		t.Errorf("%d blobs, apart %v", len(s.blobs), r.apart.Load())
	}
}

// TestLeaveBatch cancels one that waits in a batch: the others get theirs.
func TestLeaveBatch(t *testing.T) {
	s := newShelf(t)
	ctx, cancel := context.WithCancel(t.Context())
	left := make(chan struct{})
	s.answer = func(w http.ResponseWriter, body []byte) {
		cancel()
		<-left
		s.read(w, body)
	}
	s.fill()
	r := s.open(Options{})
	s.gather(r.reads, func(i int) {
		if i == 20 {
			if _, err := r.ReadBlob(ctx, "a", describe(text(i))); !errors.Is(err, context.Canceled) {
				t.Errorf("cancelled: %v", err)
			}
			close(left)
			return
		}
		if raw, err := r.ReadBlob(t.Context(), "a", describe(text(i))); err != nil || string(raw) != text(i) {
			t.Errorf("blob %d: %v", i, err)
		}
	})
}

// TestAllLeave cancels all: the requests end, and nothing stays in the queue.
func TestAllLeave(t *testing.T) {
	s := newShelf(t)
	ctx, cancel := context.WithCancel(t.Context())
	s.answer = func(http.ResponseWriter, []byte) { t.Error("a batch was sent") }
	r := s.open(Options{})
	var wg sync.WaitGroup
	for i := range many {
		wg.Go(func() {
			if _, err := r.ReadBlob(ctx, "a", describe(text(i))); !errors.Is(err, context.Canceled) {
				t.Errorf("blob %d: %v", i, err)
			}
		})
	}
	q := r.reads
	await(q, func() bool { return len(q.joined) == many-batchesAtOnce })
	q.mu.Lock()
	q.batches.used += batchesAtOnce // those that leave give no room to those that have not left yet
	q.mu.Unlock()
	cancel()
	wg.Wait()
	await(q, func() bool { return q.batches.used == batchesAtOnce && q.alone.used == 0 && len(q.joined) == 0 })
}

// TestBatchOfNobody ends the request of a batch that all have left.
func TestBatchOfNobody(t *testing.T) {
	s := newShelf(t)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	s.srv.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.Contains(r.URL.Path, "/_orlop/") {
			s.ServeHTTP(w, r)
			return
		}
		_, _ = io.Copy(io.Discard, r.Body)
		cancel()
		<-r.Context().Done() // the client has hung up
		close(ended)
	})
	s.fill()
	r := s.open(Options{})
	s.gather(r.reads, func(i int) {
		who := ctx
		if i < batchesAtOnce {
			who = t.Context()
		}
		if _, err := r.ReadBlob(who, "a", describe(text(i))); (err == nil) != (i < batchesAtOnce) {
			t.Errorf("blob %d: %v", i, err)
		}
	})
	<-ended
}

// TestTake forms batches within the bounds, and of one repository each.
func TestTake(t *testing.T) {
	q := newQueue(func() bool { return true }, func(*batch) {})
	for i := range 2000 {
		repo := "a"
		if i%10 == 9 {
			repo = "b"
		}
		q.joined = append(q.joined, &waiting{repo: repo, desc: orlop.Descriptor{Size: 10 << 10}})
	}
	n := 0
	for len(q.joined) > 0 {
		blobs, total := q.take(), int64(0)
		for _, w := range blobs {
			if total += w.desc.Size; w.repo != blobs[0].repo {
				t.Error("two repositories in a batch")
			}
		}
		if n += len(blobs); len(blobs) > smallblobs.MaxBlobs || total > smallblobs.MaxTotal {
			t.Errorf("%d blobs of %d bytes", len(blobs), total)
		}
	}
	if n != 2000 {
		t.Errorf("%d blobs", n)
	}
}

// TestLeaveCountsOnce: one that leaves before its blob comes does not end the
// batch for others.
func TestLeaveCountsOnce(t *testing.T) {
	step := make(chan struct{})
	var q *queue
	q = newQueue(func() bool { return true }, func(b *batch) {
		<-step // the first has left
		q.tell(b.blobs[0], nil)
		step <- struct{}{}
		<-step // the second has left
		if b.ctx.Err() != nil {
			t.Error("the batch has ended, and one still waits")
		}
		q.tell(b.blobs[2], nil)
	})
	blobs := make([]*waiting, 3)
	for i := range blobs {
		blobs[i] = &waiting{ctx: t.Context(), repo: "a", out: make(chan turn, 1)}
	}
	q.mu.Lock()
	q.batches.used++
	q.start(blobs)
	q.mu.Unlock()
	q.leave(blobs[0])
	step <- struct{}{}
	<-step
	q.leave(blobs[1])
	step <- struct{}{}
	<-blobs[2].out
}

// TestLearnFromOrigin does not believe a host that a read was led to.
func TestLearnFromOrigin(t *testing.T) {
	store := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set(smallblobs.Header, smallblobs.Name)
		_, _ = io.WriteString(w, text(0))
	}))
	defer store.Close()
	registry := httptest.NewServer(http.RedirectHandler(store.URL, http.StatusTemporaryRedirect))
	defer registry.Close()
	r, err := New(strings.TrimPrefix(registry.URL, "http://"), Options{PlainHTTP: true})
	if err != nil {
		t.Fatal(err)
	}
	if raw, err := r.ReadBlob(t.Context(), "a", describe(text(0))); err != nil || string(raw) != text(0) {
		t.Fatalf("%q, %v", raw, err)
	}
	if r.together.Load() {
		t.Error("another host was believed")
	}
}
