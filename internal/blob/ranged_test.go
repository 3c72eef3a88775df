package blob_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"slices"
	"sync"
	"testing"
	"testing/iotest"
	"testing/synctest"

	"github.com/orlop/orlop/internal/blob"
	"github.com/orlop/orlop/internal/blob/blobtest"
	"github.com/orlop/orlop/internal/blob/mem"
)

// asked is a part of an object that was asked for.
type asked struct{ off, n int64 }

// network gives out parts of content, and remembers which.
type network struct {
	content []byte
	body    func(io.Reader) io.Reader // what the bodies are like; nil: good
	err     error                     // of every request

	mu     sync.Mutex
	asked  []asked
	opened int // bodies that are not closed
}

func (n *network) get(_ context.Context, off, count int64) (io.ReadCloser, int64, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.asked = append(n.asked, asked{off, count})
	if n.err != nil {
		return nil, 0, n.err
	}
	var body io.Reader = bytes.NewReader(n.content[off:][:count])
	if n.body != nil {
		body = n.body(body)
	}
	n.opened++
	return &networkBody{body, n}, int64(len(n.content)), nil
}

type networkBody struct {
	io.Reader
	network *network
}

func (b *networkBody) Close() error {
	b.network.mu.Lock()
	defer b.network.mu.Unlock()
	b.network.opened--
	return nil
}

func wantAsked(t *testing.T, n *network, want ...asked) {
	t.Helper()
	n.mu.Lock()
	defer n.mu.Unlock()
	if !slices.Equal(n.asked, want) {
		t.Errorf("asked for %v, want %v", n.asked, want)
	}
}

func readAll(t *testing.T, obj blob.Object) []byte {
	t.Helper()
	content, err := io.ReadAll(io.NewSectionReader(obj, 0, obj.Size()))
	if err != nil {
		t.Fatal(err)
	}
	return content
}

func TestRangedInOrder(t *testing.T) {
	n := &network{content: blobtest.Content(1, 100_000)}
	obj := blob.NewRanged(t.Context(), n.get, 100_000)
	if !bytes.Equal(readAll(t, obj), n.content) {
		t.Error("other bytes")
	}
	wantAsked(t, n, asked{0, 100_000})
	obj.Close()
	if n.opened > 0 {
		t.Errorf("%d bodies are open", n.opened)
	}
}

func TestRangedElsewhere(t *testing.T) {
	n := &network{content: blobtest.Content(1, 100)}
	obj := blob.NewRanged(t.Context(), n.get, 100)
	defer obj.Close()
	for _, off := range []int64{50, 20, 60, 70, 5, 80, 90} {
		got := make([]byte, 10)
		if _, err := obj.ReadAt(got, off); err != nil || !bytes.Equal(got, n.content[off:off+10]) {
			t.Errorf("read at %d: %v, %v", off, got, err)
		}
	}
	wantAsked(t, n, asked{50, 10}, asked{20, 10}, asked{60, 10}, asked{70, 30}, asked{5, 10})
}

func TestRangedAtOnce(t *testing.T) {
	n := &network{content: blobtest.Content(1, 64<<10), body: iotest.OneByteReader}
	obj := blob.NewRanged(t.Context(), n.get, 64<<10)
	var group sync.WaitGroup
	for i := range int64(16) {
		group.Go(func() {
			got := make([]byte, 4<<10)
			if _, err := obj.ReadAt(got, i<<12); err != nil || !bytes.Equal(got, n.content[i<<12:][:4<<10]) {
				t.Errorf("read at %d: %v", i<<12, err)
			}
		})
	}
	group.Wait()
	obj.Close()
	if n.opened > 0 {
		t.Errorf("%d bodies are open", n.opened)
	}
}

// cut ends or breaks bodies after some bytes.
func cut(after int64, err error) func(io.Reader) io.Reader {
	return func(r io.Reader) io.Reader { return io.MultiReader(io.LimitReader(r, after), iotest.ErrReader(err)) }
}

func TestRangedBrokenBody(t *testing.T) {
	reset := errors.New("connection reset")
	for name, err := range map[string]error{"reset": reset, "short": io.EOF} {
		t.Run(name, func(t *testing.T) {
			n := &network{content: blobtest.Content(1, 100), body: cut(40, err)}
			obj := blob.NewRanged(t.Context(), n.get, 100)
			defer obj.Close()
			if !bytes.Equal(readAll(t, obj), n.content) {
				t.Error("other bytes")
			}
			wantAsked(t, n, asked{0, 100}, asked{40, 60}, asked{80, 20})
		})
	}
}

func TestRangedGivesUp(t *testing.T) {
	n := &network{content: blobtest.Content(1, 100), body: cut(0, io.EOF)}
	obj := blob.NewRanged(t.Context(), n.get, 100)
	defer obj.Close()
	if _, err := obj.ReadAt(make([]byte, 10), 0); !errors.Is(err, blob.ErrUnavailable) {
		t.Errorf("read of bodies without content: %v", err)
	}
	wantAsked(t, n, asked{0, 100}, asked{0, 100}, asked{0, 100}, asked{0, 100})
}

// TestRangedStalls: a body, or an answer, that does not come is given up.
func TestRangedStalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stalled := func(ctx context.Context, _, _ int64) (io.ReadCloser, int64, error) {
			<-ctx.Done()
			return nil, 0, ctx.Err()
		}
		if _, err := blob.OpenRanged(t.Context(), stalled, 0, 10); !errors.Is(err, blob.ErrUnavailable) {
			t.Errorf("open of what does not answer: %v", err)
		}
		n := &network{content: blobtest.Content(1, 10)}
		half := func(ctx context.Context, off, count int64) (io.ReadCloser, int64, error) {
			n.body = func(r io.Reader) io.Reader { return io.MultiReader(io.LimitReader(r, 4), untilDone{ctx}) }
			return n.get(ctx, off, count)
		}
		obj := blob.NewRanged(t.Context(), half, 10)
		defer obj.Close()
		if !bytes.Equal(readAll(t, obj), n.content) {
			t.Error("other bytes")
		}
		wantAsked(t, n, asked{0, 10}, asked{4, 6}, asked{8, 2})
	})
}

// untilDone has nothing to read and fails when its context ends.
type untilDone struct{ ctx context.Context }

func (u untilDone) Read([]byte) (int, error) {
	<-u.ctx.Done()
	return 0, u.ctx.Err()
}

func TestRangedRefused(t *testing.T) {
	n := &network{content: make([]byte, 10), err: blob.ErrNotFound}
	if _, err := blob.OpenRanged(t.Context(), n.get, 0, 10); !errors.Is(err, blob.ErrNotFound) {
		t.Errorf("open: %v", err)
	}
	obj := blob.NewRanged(t.Context(), n.get, 10)
	if _, err := obj.ReadAt(make([]byte, 10), 0); !errors.Is(err, blob.ErrNotFound) {
		t.Errorf("read: %v", err)
	}
}

// partStore is a store over a network.
type partStore struct {
	blob.Store
	network *network
}

func (s partStore) OpenPart(ctx context.Context, _ string, off, n int64) (blob.Object, error) {
	return blob.OpenRanged(ctx, s.network.get, off, n)
}

func TestOpenReaderAsksOnce(t *testing.T) {
	content := blobtest.Content(1, 3*mib+9)
	d, err := blob.NewDigester()
	if err != nil {
		t.Fatal(err)
	}
	_, _ = d.Write(content)
	objects := mem.New(mem.Options{})
	blobtest.Put(t, objects, "key", content)
	for _, r := range ranges {
		n := &network{content: content}
		rd, err := blob.OpenReader(t.Context(), partStore{objects, n}, "key", d.Size(), d.Sums(), r.off, r.n)
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(rd)
		if err != nil || int64(len(got)) != r.want || !bytes.Equal(got, content[min(r.off, d.Size()):][:r.want]) {
			t.Errorf("range of %d at %d: %d bytes, %v", r.n, r.off, len(got), err)
		}
		rd.Close()
		if len(n.asked) > 1 {
			t.Errorf("range of %d at %d asks for %v", r.n, r.off, n.asked)
		}
		if n.opened > 0 {
			t.Errorf("%d bodies are open", n.opened)
		}
	}
}

func TestUnavailableIsNoDamage(t *testing.T) {
	n := &network{content: blobtest.Content(1, 10), err: blob.ErrUnavailable}
	obj := blob.NewRanged(t.Context(), n.get, 10)
	rd := blob.NewReader(obj, 10, make([]byte, 4), 0, 10)
	defer rd.Close()
	_, err := io.ReadAll(rd)
	if !errors.Is(err, blob.ErrUnavailable) || errors.Is(err, blob.ErrDamaged) {
		t.Errorf("read from a store that cannot be reached: %v", err)
	}
}
