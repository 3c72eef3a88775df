package azblob_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"testing"

	"github.com/orlop/orlop/internal/blob"
	"github.com/orlop/orlop/internal/blob/azblob"
	"github.com/orlop/orlop/internal/blob/blobtest"
	"github.com/orlop/orlop/internal/testenv/aztest"
)

// upload is one of three requests, by different writers, and what is known of
// it: how far it has come for sure.
type upload struct {
	store   *azblob.Store
	key     string
	content []byte
	at      int
	state   []byte
}

const middle, total = 1 << 20, 6<<20 + 3

// run goes on with the upload to its end.
func (u *upload) run(t *testing.T) error {
	for u.at < middle {
		w, err := u.store.Create(t.Context(), u.key)
		if err != nil {
			return err
		}
		if err := u.sync(w, middle); err != nil {
			return err
		}
	}
	w, err := u.store.Append(t.Context(), u.key, int64(u.at), u.state)
	if err != nil {
		return err
	}
	if err := u.sync(w, total); err != nil {
		return err
	}
	if w, err = u.store.Append(t.Context(), u.key, int64(u.at), u.state); err != nil {
		return err
	}
	defer w.Close()
	return w.Commit()
}

func (u *upload) sync(w blob.Writer, end int) error {
	defer w.Close()
	if _, err := w.Write(u.content[u.at:end]); err != nil {
		return err
	}
	state, err := w.Sync()
	if err == nil {
		u.at, u.state = end, state
	}
	return err
}

// use uploads, reads, lists and deletes an object.
func use(t *testing.T, s *azblob.Store, key string) error {
	u := &upload{store: s, key: key, content: blobtest.Content(3, total)}
	if err := u.run(t); err != nil {
		return fmt.Errorf("upload: %w", err)
	}
	obj, err := s.Open(t.Context(), key)
	if err != nil {
		return err
	}
	defer obj.Close()
	got, err := io.ReadAll(io.NewSectionReader(obj, 0, obj.Size()))
	if err != nil {
		return fmt.Errorf("read: %w", err)
	}
	if !bytes.Equal(got, u.content) {
		t.Errorf("object %s has other content", key)
	}
	for _, err := range s.List(t.Context(), "") {
		if err != nil {
			return err
		}
	}
	return s.Delete(t.Context(), key)
}

// steps is how many requests use makes.
func steps(t *testing.T, p *proxy, s *azblob.Store) int {
	t.Helper()
	p.set(nil)
	if err := use(t, s, "clean"); err != nil {
		t.Fatal(err)
	}
	return len(p.requests())
}

// TestOneFault: whatever happens to one request, the next try of it mends.
func TestOneFault(t *testing.T) {
	for _, f := range []fault{busy, cut, swallow, truncate} {
		t.Run(string(f), func(t *testing.T) {
			t.Parallel()
			p, c := behind(t, aztest.New(t))
			s := open(t, options(c))
			for n := range steps(t, p, s) {
				p.set(func(i int, _ *http.Request) fault {
					if i == n+1 {
						return f
					}
					return none
				})
				if err := use(t, s, fmt.Sprintf("key-%d", n)); err != nil {
					t.Errorf("request %d of %v: %v", n+1, p.requests(), err)
				}
			}
		})
	}
}

// TestOutage: from one request on nothing goes, until the store is back. What
// was acknowledged is there then, and the upload goes on from it.
func TestOutage(t *testing.T) {
	for _, f := range []fault{busy, cut, swallow} {
		t.Run(string(f), func(t *testing.T) {
			t.Parallel()
			p, c := behind(t, aztest.New(t))
			o := options(c)
			o.Attempts = 1
			s := open(t, o)
			for n := range steps(t, p, s) {
				outage(t, p, s, f, n)
			}
		})
	}
}

// outage uploads while requests after the n-th fail, and then goes on.
func outage(t *testing.T, p *proxy, s *azblob.Store, f fault, n int) {
	p.set(func(i int, _ *http.Request) fault {
		if i > n {
			return f
		}
		return none
	})
	u := &upload{store: s, key: fmt.Sprintf("key-%d", n), content: blobtest.Content(4, total)}
	err := u.run(t)
	if err != nil && !errors.Is(err, blob.ErrUnavailable) {
		t.Errorf("after %d requests: %v, want %v", n, err, blob.ErrUnavailable)
	}
	p.set(nil)
	if err != nil {
		err = u.run(t)
	}
	// The answer to a commit may have been lost, so that it is there already.
	if err != nil && (f != swallow || !errors.Is(err, blob.ErrNotFound)) {
		t.Errorf("after %d requests: goes on from %d: %v", n, u.at, err)
		return
	}
	if !bytes.Equal(blobtest.Get(t, s, u.key), u.content) {
		t.Errorf("after %d requests: other content", n)
	}
}

// TestChangedOnTheWay: the service refuses content that is not what was sent.
func TestChangedOnTheWay(t *testing.T) {
	p, c := behind(t, aztest.New(t))
	s := open(t, options(c))
	for _, size := range []int{100, 6 << 20} {
		p.set(func(_ int, r *http.Request) fault {
			if r.Method == http.MethodPut && r.URL.Query().Get("comp") != "blocklist" {
				return flip
			}
			return none
		})
		w, err := s.Create(t.Context(), "key")
		if err != nil {
			t.Fatal(err)
		}
		_, err = w.Write(blobtest.Content(1, size))
		if err == nil {
			err = w.Commit()
		}
		if !errors.Is(err, blob.ErrUnavailable) {
			t.Errorf("%d bytes that change on the way: %v", size, err)
		}
		w.Close()
		p.set(nil)
		if _, err := s.Open(t.Context(), "key"); !errors.Is(err, blob.ErrNotFound) {
			t.Errorf("%d bytes that change on the way are stored: %v", size, err)
		}
	}
}

// TestUnreachable: there is no server.
func TestUnreachable(t *testing.T) {
	s := open(t, azblob.Options{
		Account: "a", Container: "c", Endpoint: "http://127.0.0.1:1/a", Attempts: 1, Credentials: azblob.Credentials{Key: aztest.Key},
	})
	if err := s.Ping(t.Context()); !errors.Is(err, blob.ErrUnavailable) {
		t.Errorf("ping: %v", err)
	}
	if _, err := s.Open(t.Context(), "key"); !errors.Is(err, blob.ErrUnavailable) {
		t.Errorf("open: %v", err)
	}
	if err := s.Delete(t.Context(), "key"); !errors.Is(err, blob.ErrUnavailable) {
		t.Errorf("delete: %v", err)
	}
}

// TestFrozen: a server that sleeps for a while is waited for.
func TestFrozen(t *testing.T) {
	server := aztest.Start(t, aztest.Options{})
	s := open(t, options(server.Container(t)))
	content := blobtest.Content(5, 6<<20)
	w, err := s.Create(t.Context(), "key")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(content[:5<<20]); err != nil {
		t.Fatal(err)
	}
	server.Freeze()
	done := make(chan error)
	go func() {
		_, err := w.Write(content[5<<20:])
		done <- errors.Join(err, w.Commit())
	}()
	server.Thaw()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(blobtest.Get(t, s, "key"), content) {
		t.Error("other content")
	}
}
