package files

import (
	"archive/tar"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/opencontainers/go-digest"

	"github.com/orlop/orlop"
	"github.com/orlop/orlop/ref"
)

// Limits bound what one archive may unpack to, against decompression bombs.
type Limits struct {
	Entries int   // files and directories; 0 is 1,000,000
	Bytes   int64 // unpacked; 0 is 1 TiB
	Ratio   int64 // unpacked to packed size, beyond the first 64 MiB; 0 is 250
}

// maxEntries returns the limit of entries.
func (l Limits) maxEntries() int {
	if l.Entries > 0 {
		return l.Entries
	}
	return 1_000_000
}

// maxBytes returns how many bytes an archive of the given size may unpack to.
func (l Limits) maxBytes(packed int64) int64 {
	if l.Bytes <= 0 {
		l.Bytes = 1 << 40
	}
	if l.Ratio <= 0 {
		l.Ratio = 250
	}
	const free = 64 << 20
	if packed < (l.Bytes-free)/l.Ratio {
		return min(l.Bytes, free+packed*l.Ratio)
	}
	return l.Bytes
}

// unpack restores a packed directory. The archive is fetched and verified, then
// unpacked into a folder of our own near the place, and moved into place when
// all of it was good: a broken archive changes nothing.
func (t *Target) unpack(ctx context.Context, p place, title string, d download) error {
	plain, err := plainDigest(d.desc)
	if err != nil {
		return err
	}
	archive, done, err := t.fetchArchive(ctx, p, d)
	if err != nil {
		return err
	}
	defer done()
	staging, remove, err := t.makeTempDir(p.root, stagingPlace(p))
	if err != nil {
		return err
	}
	defer remove()
	x := newExtractor(t.options, title, d.desc.Size)
	if err := x.extractTo(ctx, p.root, staging, archive, plain); err != nil {
		return fmt.Errorf("unpack: %w", err)
	}
	m := merge{root: p.root, keepOld: t.options.KeepOldFiles}
	if err := m.move(staging, p.name); err != nil {
		return err
	}
	x.finish(p, m.existed)
	return nil
}

// stagingPlace returns the name beside which to unpack: in the directory that
// exists at p, which may be a file system of its own, else p itself.
func stagingPlace(p place) string {
	if info, err := p.root.Lstat(p.name); err == nil && info.IsDir() {
		return filepath.Join(p.name, "entry")
	}
	return p.name
}

// plainDigest returns the digest of the uncompressed tar, "" if the descriptor
// does not tell it.
func plainDigest(desc orlop.Descriptor) (digest.Digest, error) {
	s := desc.Annotations[AnnotationDigest]
	if s == "" {
		return "", nil
	}
	return ref.ValidateDigest(s)
}

// fetchArchive fetches into a temporary file and rewinds it; done removes it.
func (t *Target) fetchArchive(ctx context.Context, p place, d download) (f *os.File, done func(), err error) {
	f, temp, release, err := t.createTemp(p.root, p.name, 0o600)
	if err != nil {
		return nil, nil, err
	}
	defer release()
	removed := p.root.Remove(temp) == nil // at once where the system allows it
	done = func() {
		f.Close()
		if !removed {
			p.root.Remove(temp)
		}
	}
	if err = d.fetch(ctx, f); err == nil {
		_, err = f.Seek(0, io.SeekStart)
	}
	if err != nil {
		done()
		return nil, nil, err
	}
	return f, done, nil
}

// extractor unpacks one archive below a folder of its own.
type extractor struct {
	options TargetOptions
	title   string // what all names begin with
	windows bool

	root    *os.Root // the folder
	dirs    map[string]*dirEntry
	entries int
	left    int64 // bytes that may still come
}

func newExtractor(o TargetOptions, title string, packed int64) *extractor {
	return &extractor{
		options: o,
		title:   path.Clean(title),
		windows: runtime.GOOS == "windows",
		dirs:    map[string]*dirEntry{".": {}},
		left:    o.Limits.maxBytes(packed),
	}
}

// extractTo unpacks into the folder dir of root and checks the digest of the
// tar, if it is known.
func (x *extractor) extractTo(ctx context.Context, root *os.Root, dir string, archive io.Reader, plain digest.Digest) error {
	sub, err := root.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer sub.Close()
	x.root = sub
	gz, err := gzip.NewReader(archive)
	if err != nil {
		return err
	}
	var verifier digest.Verifier
	src := io.Reader(&limitReader{contextReader{ctx, gz}, x.left})
	if plain != "" {
		verifier = plain.Verifier()
		src = io.TeeReader(src, verifier)
	}
	if err := x.extract(ctx, tar.NewReader(src)); err != nil {
		return err
	}
	if _, err := copyBuffer(ctx, io.Discard, src); err != nil { // what follows the tar
		return err
	}
	if verifier != nil && !verifier.Verified() {
		return fmt.Errorf("the unpacked content does not match the digest %s: %w", plain, orlop.ErrDamaged)
	}
	return nil
}

func (x *extractor) extract(ctx context.Context, tr *tar.Reader) error {
	for {
		h, err := tr.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if x.entries++; x.entries > x.options.Limits.maxEntries() {
			return fmt.Errorf("it has more than %d entries", x.options.Limits.maxEntries())
		}
		if h.Typeflag == tar.TypeXGlobalHeader {
			continue
		}
		if err := x.entry(ctx, h, tr); err != nil {
			return fmt.Errorf("entry %q: %w", h.Name, withoutPath(err))
		}
	}
}

// relative returns the name of an entry relative to the packed directory.
func (x *extractor) relative(name string) (string, error) {
	rel := strings.TrimPrefix(name, "./")
	switch below, ok := strings.CutPrefix(rel, x.title+"/"); {
	case rel == x.title:
		rel = "."
	case ok:
		rel = below
	case x.title != ".":
		return "", fmt.Errorf("it lies outside of %q", x.title)
	}
	if err := checkEntry(rel, x.windows); err != nil {
		return "", err
	}
	return path.Clean(rel), nil
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
