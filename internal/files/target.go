package files

import (
	"context"
	"errors"
	"io"

	"github.com/orlop/orlop"
)

// ErrExists reports a file that TargetOptions.KeepOldFiles protects.
var ErrExists = errors.New("overwrite disallowed")

// TargetOptions are the options of OpenTarget. The zero value is good.
type TargetOptions struct {
	// KeepOldFiles makes an existing file an error.
	KeepOldFiles bool
	// AllowPathTraversal lets titles, and symbolic links in archives, lead out
	// of the directory.
	AllowPathTraversal bool
	// PreserveModes gives unpacked files the permissions of the archive
	// whatever the umask is.
	PreserveModes bool
	// Limits bound what an archive may unpack to.
	Limits Limits
}

// Limits bound what one archive may unpack to, against decompression bombs.
type Limits struct {
	Entries int   // files and directories; 0 is 1,000,000
	Bytes   int64 // of the unpacked tar; 0 is 1 TiB
	Ratio   int64 // unpacked to packed size, beyond the first 64 MiB; 0 is 250
}

// OpenFunc opens the content of a blob from offset off to its end.
type OpenFunc func(ctx context.Context, off int64) (io.ReadCloser, error)

// Restored is what Restore did.
type Restored struct {
	Path    string // absolute; a separator at the end marks an unpacked directory
	Existed bool   // the file was already right and nothing was fetched
}

// Target is a directory that receives files. It may be used concurrently.
type Target struct{}

// OpenTarget opens the directory dir, made if it is missing; "" is the current
// one. The caller closes the target.
func OpenTarget(dir string, o TargetOptions) (*Target, error) { return nil, errors.ErrUnsupported }

// Restore writes the content that desc describes under the name, its title. A
// directory is unpacked if the annotations of desc say so. The content is
// verified before it gets its name; on failure what was there stays. A cut
// stream is opened again where it broke.
func (t *Target) Restore(ctx context.Context, name string, desc orlop.Descriptor, open OpenFunc) (Restored, error) {
	return Restored{}, errors.ErrUnsupported
}

// Close releases the directory.
func (t *Target) Close() error { return nil }
