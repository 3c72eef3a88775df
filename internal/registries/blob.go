package registries

import (
	"io"
	"sync/atomic"

	"github.com/orlop/orlop"
)

// blob is the content of a blob, read from a source that has failed if the
// content breaks off: who reads opens the rest then from the next one.
type blob struct {
	orlop.BlobReader
	failed *atomic.Bool
}

// Read implements io.Reader.
func (b *blob) Read(p []byte) (int, error) {
	n, err := b.BlobReader.Read(p)
	if err != nil && err != io.EOF {
		b.failed.Store(true)
	}
	return n, err
}

// WriteTo implements io.WriterTo, for a source that is faster so. What is wrong
// with w is blamed on the source too, which costs it its turn only.
func (b *blob) WriteTo(w io.Writer) (int64, error) {
	n, err := io.Copy(w, b.BlobReader)
	if err != nil {
		b.failed.Store(true)
	}
	return n, err
}
