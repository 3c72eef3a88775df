package remote

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/orlop/orlop"
)

// OpenBlob implements orlop.Reader. The reader takes up a body that breaks off
// where it stopped, and ends with orlop.ErrGaveUp if that happens again and
// again. A whole blob is checked against its digest, and its last
// bytes are not given out before that has succeeded. A range cannot be checked:
// who puts a blob together from ranges checks the whole.
//
// ctx also ends the reading.
func (r *Registry) OpenBlob(ctx context.Context, repo string, dgst digest.Digest, off, n int64) (orlop.BlobReader, error) {
	if err := check(orlop.ValidateRepository(repo), orlop.ValidateDigest(dgst)); err != nil {
		return nil, err
	}
	if off < 0 {
		return nil, orlop.ErrRangeInvalid.With(fmt.Sprintf("offset %d is negative", off))
	}
	b := &blobReader{
		r: r, ctx: ctx, repo: repo, pos: off, end: math.MaxInt64,
		desc: orlop.Descriptor{MediaType: octetStream, Digest: dgst, Size: -1},
	}
	if n >= 0 && off+n >= off {
		b.end = off + n
	}
	if err := b.open(); err != nil {
		return nil, err
	}
	if off == 0 && b.end == b.desc.Size {
		b.verifier = dgst.Verifier()
	}
	return b, nil
}

// blobReader reads a blob from pos to end.
type blobReader struct {
	r        *Registry
	ctx      context.Context // of OpenBlob: io.Reader has no place for one
	repo     string
	desc     orlop.Descriptor // size -1 until it is known
	pos, end int64
	verifier digest.Verifier // nil for a range
	err      error           // what every Read from now on returns

	body     io.ReadCloser // nil if it must be opened again
	sized    bool          // the body ends by itself where it was said to
	progress int64         // pos when the body was last opened again
	failures int           // since then
}

// Descriptor implements orlop.BlobReader.
func (b *blobReader) Descriptor() orlop.Descriptor { return b.desc }

// Unchecked implements orlop.UncheckedReader.
func (b *blobReader) Unchecked() { b.verifier = nil }

// Read implements io.Reader.
func (b *blobReader) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	for b.err == nil {
		if b.pos == b.end {
			b.err = b.finish()
			break
		}
		if b.body == nil {
			if b.err = b.open(); b.err != nil {
				break
			}
		}
		n, err := b.body.Read(p[:min(int64(len(p)), b.end-b.pos)])
		if n > 0 {
			return b.take(p[:n])
		}
		if err != nil {
			b.err = b.broke(err)
		}
	}
	return 0, b.err
}

// take gives out bytes, the last of them only after the whole is checked.
func (b *blobReader) take(p []byte) (int, error) {
	b.pos += int64(len(p))
	if b.verifier != nil {
		_, _ = b.verifier.Write(p) // a hash does not fail
	}
	if b.pos == b.end {
		if b.err = b.finish(); b.err != io.EOF {
			return 0, b.err
		}
	}
	return len(p), nil
}

// finish tells what the reader ends with: io.EOF if the content is good.
func (b *blobReader) finish() error {
	if b.verifier == nil {
		return io.EOF
	}
	if !b.sized && b.body != nil {
		if n, err := io.ReadFull(b.body, make([]byte, 1)); n > 0 || err != io.EOF {
			return b.damaged("it is longer than %d bytes", b.desc.Size)
		}
	}
	if !b.verifier.Verified() {
		return b.damaged("its content has another digest")
	}
	return io.EOF
}

func (b *blobReader) damaged(format string, args ...any) error {
	return fmt.Errorf("read blob %s of %s: %w: %s", b.desc.Digest, b.repo, orlop.ErrDamaged, fmt.Sprintf(format, args...))
}

// minProgress is how many bytes a body must have given for its end not to
// count as another failure, so that a registry cannot keep a client busy.
const minProgress = 1 << 20

// broke decides what to do about a body that ended before its end: nil to open
// it again.
func (b *blobReader) broke(err error) error {
	_ = b.body.Close()
	b.body = nil
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	if b.pos-b.progress >= minProgress {
		b.failures = 0
	}
	b.progress = b.pos
	b.failures++
	if b.failures >= b.r.o.Retry.Attempts || b.ctx.Err() != nil {
		return fmt.Errorf("read blob %s of %s: %w after %d of %d bytes: %w",
			b.desc.Digest, b.repo, orlop.ErrGaveUp, b.pos, b.desc.Size, err)
	}
	return sleep(b.ctx, b.r.o.Retry.backoff(b.failures))
}

// open requests the bytes from pos to end. The first time it learns the size,
// and cuts end at it.
func (b *blobReader) open() error {
	c := readBlob(http.MethodGet, b.repo, b.desc.Digest)
	c.want = []int{http.StatusOK, http.StatusPartialContent}
	if b.pos == b.end {
		return b.empty()
	}
	whole := b.pos == 0 && b.end == math.MaxInt64
	if !whole {
		c.header = http.Header{"Range": {rangeHeader(b.pos, b.end)}}
	}
	start := time.Now()
	resp, err := b.r.send(b.ctx, c)
	latency := time.Since(start)
	if status(err) == http.StatusRequestedRangeNotSatisfiable && b.desc.Size < 0 {
		return b.empty()
	}
	if err != nil {
		return err
	}
	if err := b.use(resp); err != nil {
		_ = drop(resp)
		return c.bad(resp, "%w", err)
	}
	if b.goAhead(resp, latency) {
		b.body = newAhead(b.ctx, b, resp.Body)
	}
	return nil
}

// empty settles a range without bytes: it may begin at the end of the blob.
func (b *blobReader) empty() error {
	desc, err := b.r.StatBlob(b.ctx, b.repo, b.desc.Digest)
	if err != nil {
		return err
	}
	if b.pos > desc.Size {
		return orlop.ErrRangeInvalid.With(fmt.Sprintf("offset %d is beyond the blob's %d bytes", b.pos, desc.Size))
	}
	b.desc.Size, b.end = desc.Size, b.pos
	return nil
}

// use takes an answer for the bytes from pos on. A registry that does not serve
// ranges sends the whole: what is not wanted of it is skipped.
func (b *blobReader) use(resp *http.Response) error {
	size, skip := resp.ContentLength, b.pos
	b.sized = size >= 0
	if resp.StatusCode == http.StatusPartialContent {
		first, last, total, ok := parseContentRange(resp.Header.Get("Content-Range"))
		if !ok || first != b.pos || last >= total {
			return fmt.Errorf("the registry sends range %.100q instead of one from %d", resp.Header.Get("Content-Range"), b.pos)
		}
		size, skip = total, 0
	}
	if err := b.settle(size); err != nil {
		return err
	}
	if _, err := io.CopyN(io.Discard, resp.Body, skip); err != nil {
		return fmt.Errorf("skip to byte %d: %w", b.pos, noEOF(err))
	}
	b.body = resp.Body
	return nil
}

// settle learns the size, or checks that it is still the same.
func (b *blobReader) settle(size int64) error {
	if size < 0 && b.desc.Size < 0 {
		desc, err := b.r.StatBlob(b.ctx, b.repo, b.desc.Digest)
		if err != nil {
			return err
		}
		size = desc.Size
	}
	switch {
	case b.desc.Size < 0:
		b.desc.Size = size
	case size >= 0 && size != b.desc.Size:
		return b.damaged("its size changed from %d to %d bytes", b.desc.Size, size)
	}
	if b.pos > b.desc.Size {
		return orlop.ErrRangeInvalid.With(fmt.Sprintf("offset %d is beyond the blob's %d bytes", b.pos, b.desc.Size))
	}
	b.end = min(b.end, b.desc.Size)
	return nil
}

func noEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// Close implements io.Closer.
func (b *blobReader) Close() error {
	b.err = errors.New("read of a closed blob")
	if b.body == nil {
		return nil
	}
	err := b.body.Close()
	b.body = nil
	return err
}

// bufferSize is that of the pieces, in bytes, in which content is moved.
const bufferSize = 256 << 10

var buffers = sync.Pool{New: func() any { return new([bufferSize]byte) }}

// WriteTo implements io.WriterTo.
func (b *blobReader) WriteTo(w io.Writer) (total int64, err error) {
	buf := buffers.Get().(*[bufferSize]byte)
	defer buffers.Put(buf)
	for {
		n, err := b.Read(buf[:])
		if n > 0 {
			written, werr := w.Write(buf[:n])
			total += int64(written)
			if werr != nil {
				return total, werr
			}
		}
		if err == io.EOF {
			return total, nil
		}
		if err != nil {
			return total, err
		}
	}
}

// rangeHeader asks for the bytes from first up to, not including, end.
func rangeHeader(first, end int64) string {
	if end == math.MaxInt64 {
		return "bytes=" + strconv.FormatInt(first, 10) + "-"
	}
	return fmt.Sprintf("bytes=%d-%d", first, end-1)
}
