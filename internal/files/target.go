package files

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/orlop/orlop"
	"github.com/orlop/orlop/ref"
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

// OpenFunc opens the content of a blob from offset off to its end.
type OpenFunc func(ctx context.Context, off int64) (io.ReadCloser, error)

// Restored is what Restore did.
type Restored struct {
	Path    string // absolute; a separator at the end marks an unpacked directory
	Existed bool   // the file was already right and nothing was fetched
}

// Target is a directory that receives files. It may be used concurrently.
type Target struct {
	dir     string // absolute
	root    *os.Root
	options TargetOptions
	swept   sync.Map // by name, the folders from which old temporary files have been removed

	restored, failed atomic.Bool // a file was, at least one

	mu   sync.Mutex  // guards what follows
	last *openFolder // that a small file was written to; nil: none
}

// OpenTarget opens the directory dir, made if it is missing; "" is the current
// one. The caller closes the target.
func OpenTarget(dir string, o TargetOptions) (*Target, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return nil, fmt.Errorf("make the output directory: %w", err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("open the output directory: %w", err)
	}
	return &Target{dir: dir, root: root, options: o}, nil
}

// Close releases the directory. If nothing failed it also removes what earlier
// transfers that were cut have left where files were written.
func (t *Target) Close() error {
	if t.restored.Load() && !t.failed.Load() {
		t.sweepParts()
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.closeLast()
	return t.root.Close()
}

// Restore writes the content that desc describes under the name, which is its
// title or another. A directory is unpacked if the annotations of desc say so;
// the names in it begin with the title. The content is
// verified before it gets its name; on failure what was there stays. A cut
// stream is opened again where it broke; if that does not help, what has
// arrived of a large file stays beside the place of the file, and the next
// Restore goes on from there. Content that is not what desc describes fails with
// orlop.ErrDamaged.
func (t *Target) Restore(ctx context.Context, name string, desc orlop.Descriptor, open OpenFunc) (Restored, error) {
	r, err := t.restore(ctx, name, desc, open)
	if err != nil {
		t.failed.Store(true)
		return Restored{}, fmt.Errorf("%q: %w", name, withoutPath(err))
	}
	t.restored.Store(true)
	return r, nil
}

func (t *Target) restore(ctx context.Context, name string, desc orlop.Descriptor, open OpenFunc) (Restored, error) {
	if _, err := ref.ValidateDigest(desc.Digest.String()); err != nil {
		return Restored{}, err
	}
	if desc.Size < 0 {
		return Restored{}, fmt.Errorf("its size is %d bytes", desc.Size)
	}
	unpack := desc.Annotations[AnnotationUnpack] == "true"
	p, err := t.locate(name, unpack)
	if err != nil {
		return Restored{}, err
	}
	defer p.close()
	d := download{desc: desc, open: open}
	if unpack {
		path := p.path + string(filepath.Separator)
		return Restored{Path: path}, p.hint(t.unpack(ctx, p, cmp.Or(desc.Annotations[ocispec.AnnotationTitle], name), d))
	}
	existed, err := t.restoreFile(ctx, p, d)
	return Restored{Path: p.path, Existed: existed}, p.hint(err)
}

// place is a name below an open folder: everything at it goes through root.
type place struct {
	root  *os.Root
	name  string // relative to root
	path  string // absolute, to show
	owned bool   // root is of this place alone
}

func (p place) close() {
	if p.owned {
		p.root.Close()
	}
}

// locate finds the place of a title and makes the folders above it. With path
// traversal the root is the folder that the title names, wherever that is.
func (t *Target) locate(title string, unpack bool) (place, error) {
	traversal := t.options.AllowPathTraversal
	if unpack && title == "." { // the packed folder itself: unpacks into ours
		return place{root: t.root, name: ".", path: t.dir}, nil
	}
	if err := checkTitle(title, traversal, runtime.GOOS == "windows"); err != nil {
		return place{}, err
	}
	name := filepath.FromSlash(path.Clean(title))
	p := place{root: t.root, name: name, path: filepath.Join(t.dir, name)}
	if traversal {
		return outside(p, name)
	}
	if dir := filepath.Dir(name); dir != "." {
		return p, p.hint(p.root.MkdirAll(dir, 0o777))
	}
	return p, nil
}

// outside opens the folder of a name that may lie anywhere.
func outside(p place, name string) (place, error) {
	if filepath.IsAbs(name) {
		p.path = name
	}
	dir, base := filepath.Split(p.path)
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return place{}, err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return place{}, err
	}
	p.root, p.name, p.owned = root, base, true
	return p, nil
}

// hint explains an error by what is on the way to the place: a file, or a
// symbolic link, which os.Root does not follow out of the folder.
func (p place) hint(err error) error {
	if err == nil {
		return nil
	}
	for dir := filepath.Dir(p.name); dir != "."; dir = filepath.Dir(dir) {
		info, e := p.root.Lstat(dir)
		if e != nil || info.IsDir() {
			continue
		}
		if info.Mode()&fs.ModeSymlink == 0 {
			return fmt.Errorf("%q is not a directory", dir)
		}
		if _, e := p.root.Stat(dir); e != nil {
			return fmt.Errorf("%w: %q is a symbolic link; %s", withoutPath(err), dir, traversalHint)
		}
	}
	return err
}

// withoutPath drops the path from an error of the file system: it may be that
// of a temporary file.
func withoutPath(err error) error {
	if e, ok := err.(*fs.PathError); ok {
		return e.Err
	}
	if e, ok := err.(*os.LinkError); ok {
		return e.Err
	}
	return err
}
