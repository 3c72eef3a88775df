package files

import (
	"context"
	"errors"

	"github.com/opencontainers/go-digest"
	"github.com/orlop/orlop"
)

// ErrChanged reports a file that is not any more what it was when Load read it.
var ErrChanged = errors.New("the file changed while it was pushed")

// LoadOptions are the options of Load. The zero value is good.
type LoadOptions struct {
	// AllowAbsolute accepts absolute paths; such names can only be pulled with
	// TargetOptions.AllowPathTraversal.
	AllowAbsolute bool
	// Concurrency is how many files are read at once; 0 is one per CPU.
	Concurrency int
	// Annotations are added to a layer by its path as typed or its title, and
	// to the configuration by "$config". They may change the title.
	Annotations map[string]map[string]string
	// OnFile, if set, is called with each title, in order, by one goroutine.
	OnFile func(title string)
	// TempDir is where packed directories are kept; "" is os.TempDir().
	TempDir string
}

// Source is a set of files, and the manifest made of them, as an orlop.Reader.
// It ignores repository names. It may be used concurrently.
type Source struct{}

var _ orlop.Reader = (*Source)(nil)

// Load reads the files once, to know their digests; directories it packs into
// temporary files. The caller closes the source.
func Load(ctx context.Context, args []Arg, o LoadOptions) (*Source, error) {
	return nil, errors.ErrUnsupported
}

// Layers returns the descriptors of the files in the order of the arguments.
func (s *Source) Layers() []orlop.Descriptor { return nil }

// AddBlob adds content from memory, such as a generated configuration.
func (s *Source) AddBlob(data []byte, desc orlop.Descriptor) {}

// AddConfig adds a file as the configuration of an artifact. The null device,
// /dev/null or NUL, gives the blob of no bytes. The default media type is
// application/vnd.unknown.config.v1+json.
func (s *Source) AddConfig(path, mediaType string) (orlop.Descriptor, error) {
	return orlop.Descriptor{}, errors.ErrUnsupported
}

// SetManifest sets the manifest that every tag and its own digest resolve to.
func (s *Source) SetManifest(m orlop.Manifest) {}

// Close removes temporary files. Readers must have been closed before.
func (s *Source) Close() error { return nil }

// Resolve implements orlop.Reader.
func (s *Source) Resolve(ctx context.Context, repo, reference string) (orlop.Descriptor, error) {
	return orlop.Descriptor{}, errors.ErrUnsupported
}

// Manifest implements orlop.Reader.
func (s *Source) Manifest(ctx context.Context, repo, reference string) (orlop.Manifest, error) {
	return orlop.Manifest{}, errors.ErrUnsupported
}

// StatBlob implements orlop.Reader.
func (s *Source) StatBlob(ctx context.Context, repo string, dgst digest.Digest) (orlop.Descriptor, error) {
	return orlop.Descriptor{}, errors.ErrUnsupported
}

// OpenBlob implements orlop.Reader. A read fails with ErrChanged if the file is
// not what Load read.
func (s *Source) OpenBlob(ctx context.Context, repo string, dgst digest.Digest, off, n int64) (orlop.BlobReader, error) {
	return nil, errors.ErrUnsupported
}
