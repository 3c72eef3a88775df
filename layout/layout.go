// Package layout is an orlop.Registry in an OCI image layout
// (image-layout.md of the image specification): a directory, or a tar file of
// one, which is read or is made anew.
//
// A layout holds one repository. Every repository name, the empty one too,
// means that one; Repositories fails with orlop.ErrUnsupported.
//
// Every manifest that is pushed has an entry in index.json: one for each of its
// tags, with the annotation org.opencontainers.image.ref.name, or one without.
// A tag may be any name that the annotation allows; see ValidateName.
// Of layouts that others made, manifests below an index are found as well.
// Manifests lie among the blobs and can be read as such. Deleting removes the
// file at once.
//
// Files are written beside their place in the directory ingest, synced and
// renamed. Several processes may use a layout at once: index.json is changed
// under a lock on index.json.lock. Content is checked against its digest when
// it is read.
package layout

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/orlop/orlop"
)

// Registry is an OCI image layout. Its methods may be called concurrently.
type Registry struct {
	files files // also a store if it can be written to

	mu       sync.Mutex // guards what follows
	pending  *names     // what a batch has put off; nil if there is none
	index    *index     // as last read
	parsed   map[digest.Digest]parsed
	verified map[digest.Digest]stamp // blobs that have been read through
	open     map[string]bool         // uploads in use
}

var (
	_ orlop.Registry     = (*Registry)(nil)
	_ orlop.DigestPusher = (*Registry)(nil)
	_ orlop.Expecter     = (*Registry)(nil)
	_ orlop.BlobChecker  = (*Registry)(nil)
)

// Open opens the layout in a directory. The error matches fs.ErrNotExist if
// there is none.
func Open(path string) (*Registry, error) {
	d, err := openDir(path)
	if err != nil {
		return nil, fmt.Errorf("open layout: %w", err)
	}
	return newRegistry(d)
}

// Create opens the layout in a directory, and makes it if there is none.
func Create(path string) (*Registry, error) {
	if err := os.MkdirAll(path, 0o777); err != nil {
		return nil, fmt.Errorf("create layout: %w", err)
	}
	d, err := openDir(path)
	if err != nil {
		return nil, fmt.Errorf("create layout: %w", err)
	}
	if err := d.create(); err != nil {
		d.Close()
		return nil, fmt.Errorf("create layout: %w", err)
	}
	return newRegistry(d)
}

// CreateTar makes a layout in a new tar file. Blobs and manifests are written
// to a temporary file beside it as they come; Commit completes the file and
// gives it its name, in place of one that was there, and Close without Commit
// removes it. Then it is read-only. Upload, and what deletes, fail with
// orlop.ErrUnsupported.
//
// The headers carry no times or owners, index.json is in order, and so are the
// blobs if one Copy after the other brings them: the same copies give the same
// bytes. Otherwise blobs lie in the order in which they came.
func CreateTar(path string) (*Registry, error) {
	w, err := createTar(path)
	if err != nil {
		return nil, fmt.Errorf("create layout: %w", err)
	}
	r, err := newRegistry(w)
	if err == nil {
		r.Batch()
	}
	return r, err
}

// OpenTar opens the layout in an uncompressed tar file, to be read. The file is
// listed once and must not change.
func OpenTar(path string) (*Registry, error) {
	t, err := openTar(path)
	if err != nil {
		return nil, fmt.Errorf("open layout: %w", err)
	}
	return newRegistry(t)
}

func newRegistry(f files) (*Registry, error) {
	r := &Registry{
		files:  f,
		parsed: map[digest.Digest]parsed{}, verified: map[digest.Digest]stamp{}, open: map[string]bool{},
	}
	if err := r.check(); err != nil {
		f.Close()
		return nil, fmt.Errorf("open layout: %w", err)
	}
	return r, nil
}

// Close closes the layout. What is open of it must be closed before. A batch in
// a directory is committed first; a layout being written to a tar file that was
// not committed is dropped.
func (r *Registry) Close() error {
	var err error
	if _, ok := r.files.(*dir); ok {
		err = r.Commit(context.Background())
	}
	return errors.Join(err, r.files.Close())
}

// check reads the files that make a directory a layout.
func (r *Registry) check() error {
	raw, err := readAll(r.files, ocispec.ImageLayoutFile, maxLayoutFile)
	if err != nil {
		return err
	}
	var version ocispec.ImageLayout
	if err := json.Unmarshal(raw, &version); err != nil {
		return fmt.Errorf("%s: %w", ocispec.ImageLayoutFile, err)
	}
	if version.Version != ocispec.ImageLayoutVersion {
		return fmt.Errorf("%s: version %.100q is not known", ocispec.ImageLayoutFile, version.Version)
	}
	_, err = r.currentIndex()
	return err
}

// writable returns what can be written to, or ErrUnsupported.
func (r *Registry) writable() (store, error) {
	s, ok := r.files.(store)
	if !ok {
		return nil, orlop.ErrUnsupported.With("a layout in a tar file cannot be written to")
	}
	return s, nil
}

// directory returns the directory, or ErrUnsupported if the layout is none.
func (r *Registry) directory() (*dir, error) {
	d, ok := r.files.(*dir)
	if !ok {
		return nil, orlop.ErrUnsupported.With("a layout in a tar file cannot be changed, only made of whole blobs and manifests")
	}
	return d, nil
}

// checkName validates a repository name; it is not used otherwise.
func checkName(repo string) error {
	if repo == "" {
		return nil
	}
	return orlop.ValidateRepository(repo)
}

func check(repo string, dgst digest.Digest) error {
	if err := checkName(repo); err != nil {
		return err
	}
	return orlop.ValidateDigest(dgst)
}

// blobPath is where content lies. dgst must be valid.
func blobPath(dgst digest.Digest) string {
	return ocispec.ImageBlobsDir + "/" + string(dgst.Algorithm()) + "/" + dgst.Encoded()
}

// unknown turns the absence of a file into an error of the specification.
func unknown(err error, instead *orlop.Error, dgst digest.Digest) error {
	if errors.Is(err, fs.ErrNotExist) {
		return instead.WithDetail(map[string]digest.Digest{"digest": dgst})
	}
	return err
}
