package files

import (
	"context"
	"errors"
	"io"
	"maps"
	"os"
	"sync"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/orlop/orlop"
)

// Media types and annotations of ORAS.
const (
	// DefaultConfigType is the media type of a configuration without one.
	DefaultConfigType = "application/vnd.unknown.config.v1+json"
	// AnnotationUnpack is "true" on a layer that is a packed directory.
	AnnotationUnpack = "io.deis.oras.content.unpack"
	// AnnotationDigest is the digest of the uncompressed tar of such a layer.
	AnnotationDigest = "io.deis.oras.content.digest"
)

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
	// OnRead, if set, is called when the reading of a file begins, with its size,
	// or with size -1 that of a directory or of Stdin. What it returns is told how
	// many bytes have been read, and the end. It may be called concurrently.
	OnRead func(title string, size int64) (read func(n int64), end func())
	// TempDir is where packed directories are kept; "" is os.TempDir().
	TempDir string
	// Compression is how directories are compressed: Gzip, Zstd or None; "" is
	// Gzip, as ORAS does it. It decides the media type too.
	Compression string
	// Reproducible packs directories without what differs from machine to
	// machine: all times are Epoch (1970 if that is zero), permissions 0755 for
	// directories and what is executable, 0644 for the rest.
	Reproducible bool
	// Epoch, if not zero, is the latest time that a packed directory may tell:
	// later ones are cut to it, as SOURCE_DATE_EPOCH asks for.
	Epoch time.Time
	// Upload, if set, starts an upload to the destination: what is not small and
	// has no known digest yet, a packed directory or Stdin, is sent while it is
	// read, and Source.Sent tells so. If it fails with orlop.ErrUnsupported, or
	// the upload of a directory fails, a temporary file is used. It may be
	// called concurrently.
	Upload func(ctx context.Context) (orlop.BlobWriter, error)
	// Stdin, if set, is what the path "-" stands for. It is read once.
	Stdin io.Reader
	// StdinTitle is the title of the path "-" with Stdin; "" is none.
	StdinTitle string
}

// Source is a set of files, and the manifest made of them, as an orlop.Reader.
// It ignores repository names. It may be used concurrently.
type Source struct {
	options LoadOptions
	layers  []orlop.Descriptor // set by Load

	mu       sync.Mutex // guards what is below
	blobs    map[digest.Digest]blob
	manifest orlop.Manifest
	contents []content // to be closed
	kept     int64     // bytes of small files in memory
}

// blob is content and how it is described.
type blob struct {
	desc        orlop.Descriptor
	content     content
	annotations map[string]string // for a layer, besides those of the user
}

// Load reads the files once, to know their digests; directories it packs into
// temporary files. The caller closes the source.
func Load(ctx context.Context, args []Arg, o LoadOptions) (*Source, error) {
	s := &Source{options: o, blobs: map[digest.Digest]blob{}}
	titles, err := s.titles(args)
	if err != nil {
		return nil, err
	}
	if err := s.load(ctx, args, titles); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

func describe(c content, mediaType, defaultType string, dgst digest.Digest, size int64) blob {
	if mediaType == "" {
		mediaType = defaultType
	}
	return blob{desc: orlop.Descriptor{MediaType: mediaType, Digest: dgst, Size: size}, content: c}
}

func (s *Source) add(b blob) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.blobs[b.desc.Digest] = b
	s.contents = append(s.contents, b.content)
}

// Sent tells whether a blob was sent to the destination while it was read, as
// LoadOptions.Upload allows.
func (s *Source) Sent(dgst digest.Digest) bool {
	b, err := s.blob(dgst)
	_, ok := b.content.(*sent)
	return ok && err == nil
}

// Layers returns the descriptors of the files in the order of the arguments.
func (s *Source) Layers() []orlop.Descriptor { return s.layers }

// AddBlob adds content from memory, such as a generated configuration, that
// desc describes. The source keeps data.
func (s *Source) AddBlob(data []byte, desc orlop.Descriptor) {
	s.add(blob{desc: desc, content: memory(data)})
}

// AddConfig adds a file as the configuration of an artifact. The null device,
// /dev/null or NUL, gives the blob of no bytes. The default media type is
// DefaultConfigType.
func (s *Source) AddConfig(path, mediaType string) (orlop.Descriptor, error) {
	b := describe(memory(nil), mediaType, DefaultConfigType, digest.FromBytes(nil), 0)
	if !isNull(path) {
		info, err := os.Stat(path)
		if err != nil {
			return orlop.Descriptor{}, err
		}
		f, dgst, err := hashFile(context.Background(), path, info, nothing)
		if err != nil {
			return orlop.Descriptor{}, err
		}
		b = describe(f, mediaType, DefaultConfigType, dgst, f.info.Size())
	}
	s.add(b)
	b.desc.Annotations = maps.Clone(s.options.Annotations["$config"])
	return b.desc, nil
}

// SetManifest sets the manifest that every tag and its own digest resolve to.
func (s *Source) SetManifest(m orlop.Manifest) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.manifest = m
}

// Close removes temporary files. Readers must have been closed before.
func (s *Source) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var errs []error
	for _, c := range s.contents {
		errs = append(errs, closeContent(c))
	}
	s.contents = nil
	return errors.Join(errs...)
}
