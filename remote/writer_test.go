package remote_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/orlop/orlop"
	"github.com/orlop/orlop/remote"
)

// patched is a registry that takes uploads by PATCH. before is called with each.
func patched(t *testing.T, before func(w http.ResponseWriter, r *http.Request) (handled bool)) (*fake, *bytes.Buffer) {
	t.Helper()
	var stored bytes.Buffer
	f := newFake(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Location", "/v2/a/blobs/uploads/1")
		switch r.Method {
		case http.MethodPatch:
			if before(w, r) {
				return
			}
			_, _ = stored.ReadFrom(r.Body)
			w.WriteHeader(http.StatusAccepted)
		case http.MethodPut:
			_, _ = stored.ReadFrom(r.Body)
			w.WriteHeader(http.StatusCreated)
		case http.MethodDelete:
			w.WriteHeader(http.StatusNoContent)
		default:
			w.WriteHeader(http.StatusAccepted)
		}
	})
	return f, &stored
}

func startUpload(t *testing.T, r *remote.Registry) orlop.BlobWriter {
	t.Helper()
	w, err := r.Upload(t.Context(), "a", "")
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// While a chunk is on its way the next is written.
func TestWriteDoesNotWaitForTheNetwork(t *testing.T) {
	written := make(chan struct{})
	f, stored := patched(t, func(http.ResponseWriter, *http.Request) bool { <-written; return false })
	w := startUpload(t, f.open(t, remote.Options{ChunkSize: 1000}))
	content := noise(1999)
	if n, err := w.Write(content); n != len(content) || err != nil {
		t.Fatal(n, err)
	}
	close(written)
	if _, err := w.Commit(t.Context(), digest.FromBytes(content)); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(stored.Bytes(), content) || f.count(http.MethodPatch) != 2 {
		t.Errorf("%d bytes arrived by %q", stored.Len(), f.seen())
	}
}

// That the upload has failed, a Write soon tells, and all that follow.
func TestWriteToALostUpload(t *testing.T) {
	f, _ := patched(t, func(w http.ResponseWriter, _ *http.Request) bool {
		w.WriteHeader(http.StatusForbidden)
		return true
	})
	w := startUpload(t, f.open(t, remote.Options{ChunkSize: 1000}))
	n, err := w.Write(make([]byte, 1<<20))
	if !errors.Is(err, orlop.ErrDenied) || n > 2000 {
		t.Errorf("written %d: %v", n, err)
	}
	if _, err := w.Write([]byte("x")); !errors.Is(err, orlop.ErrDenied) {
		t.Errorf("again: %v", err)
	}
	if _, err := w.Commit(t.Context(), digest.FromString("")); !errors.Is(err, orlop.ErrDenied) {
		t.Errorf("commit: %v", err)
	}
	if f.count(http.MethodPatch) != 1 {
		t.Errorf("requests: %q", f.seen())
	}
}

// Cancel, and the end of the context of Commit, end what is on its way.
func TestUploadEndsWhileItHangs(t *testing.T) {
	for name, end := range map[string]func(context.Context, orlop.BlobWriter) error{
		"cancel": func(ctx context.Context, w orlop.BlobWriter) error { return w.Cancel(ctx) },
		"commit": func(ctx context.Context, w orlop.BlobWriter) error {
			ctx, cancel := context.WithCancel(ctx)
			cancel()
			if _, err := w.Commit(ctx, digest.FromString("")); err == nil {
				return errors.New("committed")
			}
			return w.Close()
		},
	} {
		t.Run(name, func(t *testing.T) {
			hangs := make(chan struct{})
			f, _ := patched(t, func(_ http.ResponseWriter, r *http.Request) bool {
				_, _ = io.Copy(io.Discard, r.Body)
				close(hangs)
				<-r.Context().Done()
				return true
			})
			w := startUpload(t, f.open(t, remote.Options{ChunkSize: 1000}))
			if _, err := w.Write(make([]byte, 1000)); err != nil {
				t.Fatal(err)
			}
			<-hangs
			if err := end(t.Context(), w); err != nil && !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
			if !strings.HasPrefix(w.ID(), "/v2/a/blobs/uploads/") {
				t.Errorf("ID %q", w.ID())
			}
		})
	}
}

// A registry that is busy with a chunk whose connection was cut, and says so for
// a while, does not end an upload that cannot start over.
func TestBusyUploadIsWaitedFor(t *testing.T) {
	busy, stored := 3, bytes.Buffer{}
	f := newFake(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Location", "/v2/a/blobs/uploads/1")
		switch r.Method {
		case http.MethodPatch, http.MethodGet:
			if busy--; busy >= 0 {
				http.Error(w, `{"errors":[{"code":"BLOB_UPLOAD_INVALID"}]}`, http.StatusConflict)
				return
			}
			_, _ = stored.ReadFrom(r.Body)
			w.Header().Set("Range", fmt.Sprintf("0-%d", stored.Len()-1))
			w.WriteHeader(map[string]int{http.MethodPatch: http.StatusAccepted, http.MethodGet: http.StatusNoContent}[r.Method])
		case http.MethodPut:
			w.WriteHeader(http.StatusCreated)
		default:
			w.WriteHeader(http.StatusAccepted)
		}
	})
	w := startUpload(t, f.open(t, remote.Options{ChunkSize: 1000}))
	content := noise(1000)
	if _, err := w.Write(content); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Commit(t.Context(), digest.FromBytes(content)); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(stored.Bytes(), content) {
		t.Errorf("%d bytes were stored, want %d", stored.Len(), len(content))
	}
}

// An upload of unknown size survives connections that are cut.
func TestStreamedUploadResumes(t *testing.T) {
	for name, start := range servers {
		t.Run(name, func(t *testing.T) {
			host, content := start(t), noise(3<<20)
			c := newCutter(t, host, 700_000, 0)
			w := startUpload(t, open(t, c.Addr().String(), remote.Options{Credential: admin(), ChunkSize: 500_000, Retry: patient}))
			if _, err := io.Copy(w, bytes.NewReader(content)); err != nil {
				t.Fatal(err)
			}
			if _, err := w.Commit(t.Context(), digest.FromBytes(content)); err != nil {
				t.Fatal(err)
			}
			if c.cuts.Load() == cuts {
				t.Error("nothing was cut")
			}
			r := open(t, host, remote.Options{Credential: admin()})
			if !bytes.Equal(readAll(t, r, digest.FromBytes(content)), content) {
				t.Error("the registry has other content")
			}
		})
	}
}
