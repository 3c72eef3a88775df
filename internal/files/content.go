package files

import (
	"bytes"
	"context"
	_ "crypto/sha256" // for go-digest
	_ "crypto/sha512"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"sync"

	"github.com/opencontainers/go-digest"
)

// ErrChanged reports a file that is not any more what it was when Load read it.
var ErrChanged = errors.New("the file changed while it was pushed")

// content is where the bytes of a blob are. It may be opened several times at
// once.
type content interface {
	open(ctx context.Context) (handle, error)
}

// closeContent gives back what c holds. c may be nil.
func closeContent(c content) error {
	if closer, ok := c.(io.Closer); ok {
		return closer.Close()
	}
	return nil
}

// handle reads content. unchanged tells whether the content is still what it
// was at first, as far as that is cheap to know.
type handle interface {
	io.ReaderAt
	io.Closer
	unchanged() error
}

// memory is content in memory.
type memory []byte

func (m memory) open(context.Context) (handle, error) { return memoryHandle{bytes.NewReader(m)}, nil }

type memoryHandle struct{ *bytes.Reader }

func (memoryHandle) Close() error     { return nil }
func (memoryHandle) unchanged() error { return nil }

// diskFile is a file of the user, who may change it at any time.
type diskFile struct {
	path string
	info fs.FileInfo // when it was hashed
}

func (d diskFile) open(context.Context) (handle, error) {
	f, err := os.Open(d.path)
	if err != nil {
		return nil, err
	}
	h := diskHandle{f, d}
	if err := h.unchanged(); err != nil {
		f.Close()
		return nil, err
	}
	return h, nil
}

type diskHandle struct {
	*os.File
	was diskFile
}

func (h diskHandle) unchanged() error {
	now, err := h.Stat()
	if err != nil {
		return err
	}
	was := h.was.info
	if !os.SameFile(now, was) || now.Size() != was.Size() || !now.ModTime().Equal(was.ModTime()) {
		return fmt.Errorf("%s: %w", h.was.path, ErrChanged)
	}
	return nil
}

// hashFile reads a file, which info is about, for its digest.
func hashFile(ctx context.Context, path string, info fs.FileInfo, read tally) (diskFile, digest.Digest, error) {
	none := diskFile{}
	if !info.Mode().IsRegular() { // before it is opened: a pipe would block
		return none, "", fmt.Errorf("%s is not a regular file", path)
	}
	h, err := diskFile{path, info}.open(ctx)
	if err != nil {
		return none, "", err
	}
	defer h.Close()
	digester := digest.SHA256.Digester()
	n, err := copyBuffer(ctx, io.MultiWriter(digester.Hash(), read.counter()), io.NewSectionReader(h, 0, info.Size()))
	if err != nil {
		return none, "", fmt.Errorf("read %s: %w", path, err)
	}
	if err := h.unchanged(); err != nil {
		return none, "", err
	}
	if n != info.Size() {
		return none, "", fmt.Errorf("%s: %w", path, ErrChanged)
	}
	return diskFile{path, info}, digester.Digest(), nil
}

// tally is told how many bytes have been read.
type tally func(n int64)

func nothing(int64) {}

// counter returns a writer that counts what is written to it.
func (t tally) counter() io.Writer { return &counter{report: t} }

type counter struct {
	n      int64
	report tally
}

func (c *counter) Write(p []byte) (int, error) {
	c.n += int64(len(p))
	c.report(c.n)
	return len(p), nil
}

// bufferSize is large enough that system calls and hashing in small pieces do
// not count.
const bufferSize = 256 << 10

var buffers = sync.Pool{New: func() any { return new([bufferSize]byte) }}

// copyBuffer copies in large pieces until the end of src or of ctx. It hides
// methods of src and dst that would make io.Copy take pieces of 32 KiB.
func copyBuffer(ctx context.Context, dst io.Writer, src io.Reader) (int64, error) {
	buf := buffers.Get().(*[bufferSize]byte)
	defer buffers.Put(buf)
	return io.CopyBuffer(struct{ io.Writer }{dst}, contextReader{ctx, src}, buf[:])
}

// contextReader is a reader that ends with a context.
type contextReader struct {
	ctx context.Context
	r   io.Reader
}

func (c contextReader) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.r.Read(p)
}
