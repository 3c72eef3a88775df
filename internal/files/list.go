package files

import (
	"context"
	"io"
	"io/fs"
	"iter"
	"time"

	"github.com/orlop/orlop"
)

// Entry is one entry of a packed directory.
type Entry struct {
	Name    string // as in the archive: it may be anything
	Size    int64  // bytes, 0 if it is not a file
	Mode    fs.FileMode
	ModTime time.Time
	Link    string // target of a symbolic or hard link
}

// ListArchive lists the entries of the packed directory that desc describes
// and r reads, without writing any of it. It fails with what breaks the limits
// l and, after the last entry, with orlop.ErrDamaged if r is not what desc says.
func ListArchive(ctx context.Context, r io.Reader, desc orlop.Descriptor, l Limits) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		yield(Entry{}, orlop.ErrUnsupported)
	}
}
