package remote

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/opencontainers/go-digest"
)

// Where a registry is far away, one connection cannot fill the line: what is
// left of a large blob is then fetched in parts, several at once. Nearby, parts
// would only cost requests.
const (
	partSize   = 4 << 20 // bytes
	leastAhead = 4 * partSize
	farAway    = 10 * time.Millisecond // until an answer begins
)

// goAhead tells whether the rest of an answer should be fetched in parts.
func (b *blobReader) goAhead(resp *http.Response, latency time.Duration) bool {
	return b.failures == 0 && b.sized && latency >= farAway && b.r.o.Parallel > 1 &&
		b.end-b.pos >= leastAhead && resp.Header.Get("Accept-Ranges") == "bytes"
}

// ahead is the body of a blob that is fetched in parts: the first from the
// answer that is there already, the others by requests of their own. It holds
// Options.Parallel parts in memory. After an error it is of no use any more.
type ahead struct {
	r      *Registry
	repo   string
	digest digest.Digest

	first  io.ReadCloser // nil when it has been read
	left   int64         // of first
	end    int64         // of what is fetched
	parts  chan chan part
	free   chan []byte // buffers of parts; nil: not made yet
	now    part
	unread []byte // of now
	cancel context.CancelFunc
	all    sync.WaitGroup
}

// part is a piece of the blob, or why there is none.
type part struct {
	raw []byte
	err error
}

// newAhead goes on from an answer whose body gives the bytes from pos on.
func newAhead(ctx context.Context, b *blobReader, body io.ReadCloser) *ahead {
	ctx, cancel := context.WithCancel(ctx)
	a := &ahead{
		r: b.r, repo: b.repo, digest: b.desc.Digest,
		first: body, left: partSize, end: b.end, cancel: cancel,
		parts: make(chan chan part, b.r.o.Parallel), free: make(chan []byte, b.r.o.Parallel),
	}
	for range cap(a.free) {
		a.free <- nil
	}
	from, end := b.pos+partSize, b.end
	a.all.Go(func() { a.fetchAll(ctx, from, end) })
	return a
}

// partAt is the size of a part by its number, from 1. The first ones, asked for
// together, are of different sizes: otherwise they would all end together, and
// the line would lie idle until the next ones begin.
func partAt(i, parallel int) int64 {
	return partSize * int64(min(i, parallel)) / int64(parallel)
}

// fetchAll fetches the bytes from one offset to another, in parts that are read
// in their order. It waits while enough of them are on their way.
func (a *ahead) fetchAll(ctx context.Context, from, end int64) {
	defer close(a.parts)
	for i := 1; from < end; i++ {
		var buf []byte
		select {
		case buf = <-a.free:
		case <-ctx.Done():
			return
		}
		got := make(chan part, 1)
		first, last := from, min(from+partAt(i, a.r.o.Parallel), end)
		a.all.Go(func() {
			raw, err := a.fetch(ctx, first, last, buf)
			got <- part{raw, err}
		})
		a.parts <- got // there is room: for as many as there are buffers
		from = last
	}
}

// fetch fetches the bytes from one offset to another, into a buffer if there is
// one.
func (a *ahead) fetch(ctx context.Context, first, end int64, buf []byte) ([]byte, error) {
	c := readBlob(http.MethodGet, a.repo, a.digest)
	c.want = []int{http.StatusPartialContent}
	c.header = http.Header{"Range": {rangeHeader(first, end)}}
	resp, err := a.r.send(ctx, c)
	if err != nil {
		return nil, err
	}
	defer func() { _ = drop(resp) }()
	said := resp.Header.Get("Content-Range")
	if at, last, _, ok := parseContentRange(said); !ok || at != first || last != end-1 {
		return nil, c.bad(resp, "the registry sends range %.100q instead of %s", said, rangeHeader(first, end))
	}
	if int64(cap(buf)) < end-first {
		buf = make([]byte, min(partSize, a.end-first))
	}
	raw := buf[:end-first]
	if _, err := io.ReadFull(resp.Body, raw); err != nil {
		return nil, fmt.Errorf("read bytes %d to %d: %w", first, end-1, noEOF(err))
	}
	return raw, nil
}

// Read implements io.Reader.
func (a *ahead) Read(p []byte) (int, error) {
	if a.first != nil {
		return a.readFirst(p)
	}
	for len(a.unread) == 0 {
		if a.now.err != nil {
			return 0, a.now.err
		}
		if a.now.raw != nil {
			a.free <- a.now.raw
			a.now = part{}
		}
		next, ok := <-a.parts
		if !ok {
			return 0, io.EOF
		}
		a.now = <-next
		a.unread = a.now.raw
	}
	n := copy(p, a.unread)
	a.unread = a.unread[n:]
	return n, nil
}

func (a *ahead) readFirst(p []byte) (int, error) {
	n, err := a.first.Read(p[:min(int64(len(p)), a.left)])
	if a.left -= int64(n); a.left == 0 {
		_ = a.first.Close()
		a.first = nil
		return n, nil
	}
	return n, err
}

// Close implements io.Closer: it ends what is on its way.
func (a *ahead) Close() error {
	a.cancel()
	if a.first != nil {
		_ = a.first.Close()
	}
	a.all.Wait()
	return nil
}
