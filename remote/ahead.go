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
	parts  chan chan part
	now    part
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
		first: body, left: partSize, cancel: cancel,
		parts: make(chan chan part, b.r.o.Parallel-2), // one is being fetched, and one read
	}
	from, end := b.pos+partSize, b.end
	a.all.Go(func() { a.fetchAll(ctx, from, end) })
	return a
}

// fetchAll fetches the bytes from one offset to another, in parts that are read
// in their order. It waits while enough of them are on their way.
func (a *ahead) fetchAll(ctx context.Context, from, end int64) {
	defer close(a.parts)
	for ; from < end; from += partSize {
		got := make(chan part, 1)
		first, last := from, min(from+partSize, end)
		a.all.Go(func() {
			raw, err := a.fetch(ctx, first, last)
			got <- part{raw, err}
		})
		select {
		case a.parts <- got:
		case <-ctx.Done():
			return
		}
	}
}

func (a *ahead) fetch(ctx context.Context, first, end int64) ([]byte, error) {
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
	raw := make([]byte, end-first)
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
	for len(a.now.raw) == 0 {
		if a.now.err != nil {
			return 0, a.now.err
		}
		next, ok := <-a.parts
		if !ok {
			return 0, io.EOF
		}
		a.now = <-next
	}
	n := copy(p, a.now.raw)
	a.now.raw = a.now.raw[n:]
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
