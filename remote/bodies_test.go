package remote_test

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/orlop/orlop"
	"github.com/orlop/orlop/remote"
)

func debugLog(w io.Writer) *slog.Logger {
	return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// endless writes until the client has had enough, at most max bytes.
func endless(w io.Writer, max int) {
	piece := bytes.Repeat([]byte("a"), 64<<10)
	for n := 0; n < max; n += len(piece) {
		if _, err := w.Write(piece); err != nil {
			return
		}
	}
}

var good = bytes.Repeat([]byte("0123456789abcdef"), 8<<10) // 128 KiB

// lies are answers for the blob good, none of which is good.
var lies = map[string]http.HandlerFunc{
	"wrong first byte": func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(append([]byte("X"), good[1:]...)) },
	"wrong last byte": func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write(append(bytes.Clone(good[:len(good)-1]), 'X'))
	},
	"short": func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(good[:1000]) },
	"empty": func(http.ResponseWriter, *http.Request) {},
	"long":  func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(append(bytes.Clone(good), 'X')) },
	"long without length": func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodHead {
			w.Header().Set("Content-Length", strconv.Itoa(len(good)))
			return
		}
		_, _ = w.Write(good)
		w.(http.Flusher).Flush()
		_, _ = io.WriteString(w, "X")
	},
	"endless": func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodHead {
			w.Header().Set("Content-Length", strconv.Itoa(len(good)))
			return
		}
		w.(http.Flusher).Flush()
		endless(w, 1<<30)
	},
	"endless without size": func(w http.ResponseWriter, _ *http.Request) {
		w.(http.Flusher).Flush()
		endless(w, 1<<30)
	},
	"cut again and again": func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", strconv.Itoa(len(good)))
		_, _ = w.Write(good[:1000])
	},
	"huge size": func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", strconv.Itoa(1<<62))
		_, _ = w.Write(good)
	},
	"partial unasked": func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusPartialContent)
		_, _ = w.Write(good)
	},
	"another part": func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Range", fmt.Sprintf("bytes 1-%d/%d", len(good)-1, len(good)))
		w.WriteHeader(http.StatusPartialContent)
		_, _ = w.Write(good[1:])
	},
	"compressed": func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		z := gzip.NewWriter(w)
		_, _ = z.Write(good)
		_ = z.Close()
	},
	"no content": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) },
	"teapot":     func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) },
}

func TestLyingBlobs(t *testing.T) {
	for name, lie := range lies {
		t.Run(name, func(t *testing.T) {
			r := newFake(t, lie).open(t, remote.Options{})
			b, err := r.OpenBlob(t.Context(), "a", digest.FromBytes(good), 0, -1)
			var got bytes.Buffer
			if err == nil {
				_, err = io.Copy(&got, b)
				_ = b.Close()
			}
			if err == nil || errors.Is(err, io.EOF) {
				t.Fatalf("no error after %d bytes", got.Len())
			}
			if name != "huge size" && got.Len() >= len(good) && bytes.Equal(got.Bytes()[:len(good)], good) {
				t.Error("the last byte was given out before the check")
			}
		})
	}
}

const manifest = `{"schemaVersion":2,"mediaType":"` + ocispec.MediaTypeImageIndex + `","manifests":[]}`

func TestLyingManifests(t *testing.T) {
	other := strings.Replace(manifest, "[]", "[ ]", 1)
	named := digest.FromString(manifest)
	tests := map[string]struct {
		reference string
		h         http.HandlerFunc
	}{
		"swapped": {string(named), func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, other) }},
		"swapped, with the header that was wanted": {string(named), func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Docker-Content-Digest", string(named))
			_, _ = io.WriteString(w, other)
		}},
		"tag, with the header of another": {"tag", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Docker-Content-Digest", string(named))
			_, _ = io.WriteString(w, other)
		}},
		"300 MiB": {"tag", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", strconv.Itoa(300<<20))
			endless(w, 300<<20)
		}},
		"endless":    {"tag", func(w http.ResponseWriter, _ *http.Request) { endless(w, 1<<30) }},
		"compressed": {"tag", lies["compressed"]},
		"cut": {"tag", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "100")
			_, _ = io.WriteString(w, manifest[:10])
		}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			r := newFake(t, tt.h).open(t, remote.Options{})
			if m, err := r.Manifest(t.Context(), "a", tt.reference); err == nil {
				t.Errorf("got %s of %d bytes", m.Descriptor.Digest, len(m.Raw))
			}
		})
	}
}

func TestResolveDistrustsHeaders(t *testing.T) {
	named := digest.FromString(manifest)
	f := newFake(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodHead && strings.HasSuffix(r.URL.Path, "/wrong") || strings.HasSuffix(r.URL.Path, string(named)) {
			w.Header().Set("Docker-Content-Digest", string(digest.FromString("other")))
		}
		w.Header().Set("Content-Type", ocispec.MediaTypeImageIndex)
		_, _ = io.WriteString(w, manifest)
	})
	r := f.open(t, remote.Options{})
	desc, err := r.Resolve(t.Context(), "a", "without")
	if err != nil || desc.Digest != named || desc.Size != int64(len(manifest)) || desc.MediaType != ocispec.MediaTypeImageIndex {
		t.Errorf("a registry that names no digest: %v, %v", desc, err)
	}
	if _, err := r.Resolve(t.Context(), "a", string(named)); !errors.Is(err, orlop.ErrDamaged) {
		t.Errorf("a registry that answers for another digest: %v", err)
	}
}

func TestErrors(t *testing.T) {
	body := func(status int, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(status)
			_, _ = io.WriteString(w, body)
		}
	}
	dgst := digest.FromString("x")
	blob := func(r *remote.Registry, t *testing.T) error { _, err := r.StatBlob(t.Context(), "a", dgst); return err }
	open := func(r *remote.Registry, t *testing.T) error {
		_, err := r.OpenBlob(t.Context(), "a", dgst, 0, -1)
		return err
	}
	head := func(r *remote.Registry, t *testing.T) error { _, err := r.Resolve(t.Context(), "a", "tag"); return err }
	get := func(r *remote.Registry, t *testing.T) error {
		_, err := r.Manifest(t.Context(), "a", "tag")
		return err
	}
	ping := func(r *remote.Registry, t *testing.T) error { return r.Ping(t.Context()) }
	push := func(r *remote.Registry, t *testing.T) error {
		return r.PushBlob(t.Context(), "a", orlop.Descriptor{Digest: dgst, Size: 1}, strings.NewReader("x"))
	}
	tests := map[string]struct {
		h    http.HandlerFunc
		do   func(*remote.Registry, *testing.T) error
		want error
	}{
		"blob 404 by HEAD":       {body(404, ""), blob, orlop.ErrBlobUnknown},
		"blob 404 by GET":        {body(404, "<html>"), open, orlop.ErrBlobUnknown},
		"manifest 404 by HEAD":   {body(404, ""), head, orlop.ErrManifestUnknown},
		"manifest 404, own code": {body(404, `{"errors":[{"code":"NOT_FOUND","message":"m"}]}`), get, orlop.ErrManifestUnknown},
		"name unknown":           {body(404, `{"errors":[{"code":"NAME_UNKNOWN"}]}`), get, orlop.ErrNameUnknown},
		"second is known":        {body(400, `{"errors":[{"code":"X"},{"code":"DIGEST_INVALID"}]}`), push, orlop.ErrDigestInvalid},
		"401":                    {body(401, ""), head, orlop.ErrUnauthorized},
		"401 denied":             {body(401, `{"errors":[{"code":"DENIED"}]}`), get, orlop.ErrDenied},
		"403":                    {body(403, ""), head, orlop.ErrDenied},
		"405":                    {body(405, ""), blob, orlop.ErrUnsupported},
		"429":                    {body(429, ""), get, orlop.ErrTooManyRequests},
		"503":                    {body(503, ""), get, orlop.ErrUnavailable},
		"507":                    {body(507, ""), push, orlop.ErrStorageFull},
		"ping 401":               {body(401, ""), ping, orlop.ErrUnauthorized},
		"ping 403":               {body(403, ""), ping, orlop.ErrDenied},
		"ping 404":               {body(404, ""), ping, orlop.ErrUnsupported},
		"ping 200":               {body(200, "{}"), ping, nil},
		"200 MiB": {func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusNotFound)
			endless(w, 200<<20)
		}, get, orlop.ErrManifestUnknown},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			err := tt.do(newFake(t, tt.h).open(t, remote.Options{}), t)
			if !errors.Is(err, tt.want) {
				t.Fatalf("error %v, want %v", err, tt.want)
			}
			if e, ok := errors.AsType[*orlop.Error](err); tt.want != nil && (!ok || e.Status == 0 || len(err.Error()) > 1000) {
				t.Errorf("error %.1000v", err)
			}
		})
	}
}

func TestEndlessLists(t *testing.T) {
	n := 0
	tests := map[string]http.HandlerFunc{
		"the same link": func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Link", `</v2/a/tags/list?last=x>; rel="next"`)
			fmt.Fprintf(w, `{"tags":["t%p"]}`, r)
		},
		"the same names": func(w http.ResponseWriter, r *http.Request) {
			n++
			w.Header().Set("Link", fmt.Sprintf(`</v2/a/tags/list?last=%d>; rel="next"`, n))
			_, _ = io.WriteString(w, `{"tags":["t"]}`)
		},
		"no names": func(w http.ResponseWriter, r *http.Request) {
			n++
			w.Header().Set("Link", fmt.Sprintf(`</v2/a/tags/list?last=%d>; rel="next"`, n))
			_, _ = io.WriteString(w, `{"tags":[]}`)
		},
		"an endless page": func(w http.ResponseWriter, r *http.Request) { endless(w, 1<<30) },
	}
	for name, h := range tests {
		t.Run(name, func(t *testing.T) {
			var last error
			for _, err := range newFake(t, h).open(t, remote.Options{}).Tags(t.Context(), "a", "") {
				last = err
			}
			if last == nil {
				t.Error("the list ended without an error")
			}
		})
	}
}

func TestPageSizeIsDroppedIfRefused(t *testing.T) {
	f := newFake(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Has("n") {
			w.WriteHeader(http.StatusBadRequest)
			_, _ = io.WriteString(w, `{"errors":[{"code":"PAGINATION_NUMBER_INVALID"}]}`)
			return
		}
		_, _ = io.WriteString(w, `{"repositories":["a","b","c"]}`)
	})
	var got []string
	for name, err := range f.open(t, remote.Options{}).Repositories(t.Context(), "a") {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, name)
	}
	if fmt.Sprint(got) != "[b c]" { // and it does not know last either
		t.Errorf("got %q", got)
	}
}

func TestWarnings(t *testing.T) {
	f := newFake(t, func(w http.ResponseWriter, r *http.Request) {
		for _, v := range []string{`299 - "soon \"gone\""`, `299 - "soon \"gone\""`, `199 - "other"`, `299 - "open`, `299 - ""`, `299 - "a" "date"`} {
			w.Header().Add("Warning", v)
		}
	})
	var got []string
	r := f.open(t, remote.Options{Warn: func(text string) { got = append(got, text) }})
	for range 2 {
		if err := r.Ping(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if len(got) != 1 || got[0] != `soon "gone"` {
		t.Errorf("warnings %q", got)
	}
}
