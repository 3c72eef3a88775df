package remote

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/orlop/orlop"
	"github.com/orlop/orlop/internal/smallblobs"
)

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
