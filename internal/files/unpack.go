package files

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"strings"
	"sync"

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

// unpack restores a packed directory. The archive is fetched into a partial file
// and unpacked meanwhile into a folder of our own near the place, which is moved
// into place when all of it was good: a broken archive changes nothing.
func (t *Target) unpack(ctx context.Context, p place, title string, d download) error {
	plain, err := plainDigest(d.desc)
	if err != nil {
		return err
	}
	part, err := t.openPartial(p, d.desc, 0o600)
	if err != nil {
		return err
	}
	staging, remove, err := t.makeTempDir(p.root, stagingPlace(p))
	if err != nil {
		part.close(false)
		return err
	}
	defer remove()
	x := newExtractor(t.options, title, d.desc.Size)
	cut, err := x.fetchTo(ctx, p.root, staging, part, d, plain)
	part.close(cut)
	if err != nil {
		return err
	}
	m := merge{root: p.root, keepOld: t.options.KeepOldFiles}
	if err := m.move(staging, p.name); err != nil {
		return err
	}
	x.finish(p, m.existed)
	return nil
}

// fetchTo fetches the archive into part and unpacks it below the folder dir of
// root. That the content of the archive is at fault is said only of one that is
// what d describes. cut tells whether the part is good for another run.
func (x *extractor) fetchTo(
	ctx context.Context, root *os.Root, dir string, part *partial, d download, plain digest.Digest,
) (cut bool, err error) {
	d.off = part.size
	arriving := newArrival(part.File, part.size)
	var fetching sync.WaitGroup
	fetching.Go(func() { arriving.end(d.fetch(ctx, arriving)) })
	if part.size > 0 { // it is not trusted before it has been verified
		fetching.Wait()
	}
	unpackErr := x.extractTo(ctx, root, dir, arriving.reader(), plain)
	fetching.Wait()
	if arriving.err != nil {
		return d.cut, arriving.err
	}
	if unpackErr != nil {
		return ctx.Err() != nil, fmt.Errorf("unpack: %w", unpackErr)
	}
	return false, nil
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

// extractor unpacks one archive below a folder of its own.
type extractor struct {
	options TargetOptions
	title   string // what all names begin with
	windows bool

	root    *os.Root // the folder
	dirs    map[string]*dirEntry
	writing *writers
	left    int64 // bytes that may still come

	current     *folder // the directory that was written to last, nil if none
	currentName string
}

func newExtractor(o TargetOptions, title string, packed int64) *extractor {
	return &extractor{
		options: o,
		title:   path.Clean(title),
		windows: runtime.GOOS == "windows",
		dirs:    map[string]*dirEntry{".": {}},
		writing: newWriters(),
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
	tarred, err := openTar(ctx, archive, x.left, plain)
	if err != nil {
		return err
	}
	defer tarred.Close()
	err = x.extract(ctx, tarred)
	x.leave()
	if e := x.writing.settleAll(); err == nil {
		err = e
	}
	if err != nil {
		return err
	}
	return tarred.verify(ctx)
}

func (x *extractor) extract(ctx context.Context, archive io.Reader) error {
	for e, err := range entries(archive, x.options.Limits) {
		if err != nil {
			return err
		}
		if err := x.entry(ctx, e.Header, e.content); err != nil {
			return aboutEntry(e.Name, err)
		}
	}
	return nil
}

// entryError says which entry an error is about, if it does not yet.
type entryError struct {
	name string
	err  error
}

func (e *entryError) Error() string { return fmt.Sprintf("entry %q: %v", e.name, e.err) }
func (e *entryError) Unwrap() error { return e.err }

func aboutEntry(name string, err error) error {
	if _, ok := errors.AsType[*entryError](err); ok || err == nil {
		return err
	}
	return &entryError{name, withoutPath(err)}
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
