package files

import (
	"archive/tar"
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/opencontainers/go-digest"

	"github.com/orlop/orlop"
)

// maxWindow is the largest window of zstd, in bytes, that is accepted: a frame
// makes its reader hold as much. It is what the zstd tool accepts by default.
const maxWindow = 128 << 20

// tarStream reads the tar in a packed directory, whatever its compression is.
type tarStream struct {
	*readAhead
	plain    digest.Digest
	verifier digest.Verifier // nil if the digest of the tar is not known
}

// openTar opens the archive that r reads. The tar may have as many bytes as limit
// says, and must match the digest plain, if that is not "". The caller closes it.
func openTar(ctx context.Context, r io.Reader, limit int64, plain digest.Digest) (*tarStream, error) {
	unpacked, err := decompressed(bufio.NewReaderSize(r, bufferSize))
	if err != nil {
		return nil, err
	}
	a := &tarStream{plain: plain}
	src := io.Reader(&limitReader{contextReader{ctx, unpacked}, limit})
	if plain != "" {
		a.verifier = plain.Verifier()
		src = io.TeeReader(src, a.verifier)
	}
	a.readAhead = newReadAhead(src, unpacked)
	return a, nil
}

// decompressed recognises the compression by how the content begins: media types
// are a matter of taste.
func decompressed(r *bufio.Reader) (io.ReadCloser, error) {
	magic, err := r.Peek(4)
	switch {
	case bytes.HasPrefix(magic, []byte{0x1f, 0x8b}):
		return gzip.NewReader(r)
	case len(magic) == 4 && (string(magic) == "\x28\xb5\x2f\xfd" || magic[0]&0xf0 == 0x50 && string(magic[1:]) == "\x2a\x4d\x18"):
		d, err := zstd.NewReader(r, zstd.WithDecoderMaxWindow(maxWindow), zstd.WithDecoderLowmem(true))
		if err != nil {
			return nil, err
		}
		return d.IOReadCloser(), nil
	case err == io.EOF:
		return nil, io.ErrUnexpectedEOF
	}
	return io.NopCloser(r), err
}

// verify reads what follows the tar and checks the whole.
func (a *tarStream) verify(ctx context.Context) error {
	if _, err := copyBuffer(ctx, io.Discard, a); err != nil {
		return err
	}
	if a.verifier != nil && !a.verifier.Verified() {
		return fmt.Errorf("the unpacked content does not match the digest %s: %w", a.plain, orlop.ErrDamaged)
	}
	return nil
}

// tarEntry is one entry of a tar with its content.
type tarEntry struct {
	*tar.Header
	content io.Reader
}

// entries reads the entries of a tar, as many as the limits allow.
func entries(r io.Reader, l Limits) iter.Seq2[tarEntry, error] {
	return func(yield func(tarEntry, error) bool) {
		tr := tar.NewReader(r)
		for n := 1; ; n++ {
			h, err := tr.Next()
			if err == io.EOF {
				return
			}
			if err == nil && n > l.maxEntries() {
				err = fmt.Errorf("it has more than %d entries", l.maxEntries())
			}
			if err != nil {
				yield(tarEntry{}, err)
				return
			}
			if h.Typeflag != tar.TypeXGlobalHeader && !yield(tarEntry{h, tr}, nil) {
				return
			}
		}
	}
}

var errTooLarge = errors.New("it unpacks to far more than its size; refused as a decompression bomb")

// limitReader is like io.LimitReader, but more than the limit is an error.
type limitReader struct {
	r    io.Reader
	left int64
}

func (l *limitReader) Read(p []byte) (int, error) {
	n, err := l.r.Read(p)
	if l.left -= int64(n); l.left < 0 {
		return 0, errTooLarge
	}
	return n, err
}
