package layout

import (
	"archive/tar"
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/orlop/orlop"
)

const (
	tarBlock   = 512
	tarTrailer = 2 * tarBlock // zero bytes at the end
)

// tarWriter writes a layout to a tar file, under a temporary name until it is
// complete. Since the size of a blob is known before it comes, each has a place
// of its own in the file, and many can be written at once.
type tarWriter struct {
	path, temp string
	empty      []byte // index.json until commit

	mu       sync.Mutex       // guards what follows
	tar      tarFiles         // what is complete
	end      int64            // where the next place begins
	expected map[string]place // places of what was announced, by name
	free     []place          // places of blobs that failed
	broken   error            // why commit could not go on
	done     bool
}

var _ store = (*tarWriter)(nil)

var errComplete = orlop.ErrUnsupported.With("the tar file is complete and cannot be written to any more")

// place is where an entry, a header with content, lies in a tar file.
type place struct{ offset, size int64 }

func createTar(path string) (*tarWriter, error) {
	empty, err := marshalIndex(emptyIndex())
	if err != nil {
		return nil, err
	}
	sweepTemps(path)
	temp := path + "." + strings.ToLower(rand.Text()) + ".tmp"
	f, err := os.OpenFile(temp, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o666)
	if err != nil {
		return nil, err
	}
	w := &tarWriter{
		path: path, temp: temp, empty: empty,
		tar: tarFiles{f: f, files: map[string]section{}}, expected: map[string]place{},
	}
	if err := w.writeFile(ocispec.ImageLayoutFile, []byte(layoutFile)); err != nil {
		return nil, errors.Join(err, w.Close())
	}
	return w, nil
}

var tempSuffix = regexp.MustCompile(`^\.[a-z2-7]{26}\.tmp$`)

// sweepTemps removes what writers of the same tar file left that were killed
// long ago.
func sweepTemps(path string) {
	dir, base := filepath.Split(path)
	entries, err := os.ReadDir(filepath.Clean(dir))
	if err != nil {
		return // making the file will tell
	}
	for _, entry := range entries {
		suffix, ok := strings.CutPrefix(entry.Name(), base)
		if !ok || !tempSuffix.MatchString(suffix) {
			continue
		}
		if info, err := entry.Info(); err == nil && info.Mode().IsRegular() && time.Since(info.ModTime()) > staleAfter {
			os.Remove(dir + entry.Name())
		}
	}
}

func (w *tarWriter) stat(name string) (stamp, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if st, err := w.tar.stat(name); err == nil || name != ocispec.ImageIndexFile {
		return st, err
	}
	return stamp{size: int64(len(w.empty))}, nil
}

func (w *tarWriter) open(name string) (*file, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if f, err := w.tar.open(name); err == nil || name != ocispec.ImageIndexFile {
		return f, err
	}
	return &file{bytes.NewReader(w.empty), io.NopCloser(nil), stamp{size: int64(len(w.empty))}}, nil
}

// writeBlob writes an entry, unless there is one.
func (w *tarWriter) writeBlob(desc orlop.Descriptor, content io.Reader) error {
	name := blobPath(desc.Digest)
	if w.complete() {
		return errComplete
	}
	if st, err := w.stat(name); err == nil && st.size == desc.Size {
		return copyBlob(io.Discard, desc, content)
	}
	return w.write(name, desc.Size, func(to io.Writer) error { return copyBlob(to, desc, content) })
}

func (w *tarWriter) batch() {} // it always is

func (w *tarWriter) complete() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.done
}

func (w *tarWriter) writeFile(name string, content []byte) error {
	return w.write(name, int64(len(content)), func(to io.Writer) error {
		_, err := to.Write(content)
		return full(err)
	})
}

// write writes an entry whose content of the size given comes from content.
func (w *tarWriter) write(name string, size int64, content func(io.Writer) error) error {
	header, err := tarHeader(name, size)
	if err != nil {
		return err
	}
	padding := make([]byte, -size&(tarBlock-1))
	p, err := w.reserve(name, int64(len(header)), size)
	if err != nil {
		return err
	}
	start := p.offset + int64(len(header))
	err = content(io.NewOffsetWriter(w.tar.f, start))
	if err == nil {
		_, err = w.tar.f.WriteAt(padding, start+size)
	}
	if err == nil {
		_, err = w.tar.f.WriteAt(header, p.offset)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if _, there := w.tar.files[name]; err != nil || there { // another may have written it
		w.release(p)
		return full(err)
	}
	w.tar.files[name] = section{start, size}
	return nil
}

// release frees a place. If it is the last one its bytes are given back: the
// disk may be full. w.mu must be held.
func (w *tarWriter) release(p place) {
	if p.offset+p.size != w.end {
		w.free = append(w.free, p)
		return
	}
	w.end = p.offset
	_ = w.tar.f.Truncate(w.end) // commit does it again
}

// reserve finds a place for an entry: that which was announced, one that a
// failure left, or a new one.
func (w *tarWriter) reserve(name string, header, size int64) (place, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if size > math.MaxInt64-header-tarBlock-w.end-tarTrailer {
		return place{}, fmt.Errorf("entry of %d bytes: %w", size, orlop.ErrTooLarge)
	}
	need := header + size + -size&(tarBlock-1)
	if p, ok := w.expected[name]; ok && p.size == need {
		delete(w.expected, name)
		return p, nil
	}
	if i := slices.IndexFunc(w.free, func(p place) bool { return p.size == need }); i >= 0 {
		p := w.free[i]
		w.free = slices.Delete(w.free, i, i+1)
		return p, nil
	}
	p := place{w.end, need}
	w.end += need
	return p, nil
}

// expect gives blobs their places in the order in which they are announced.
// What cannot be given a place will be an error when it comes.
func (w *tarWriter) expect(blobs []orlop.Descriptor) {
	for _, blob := range blobs {
		name := blobPath(blob.Digest)
		header, err := tarHeader(name, blob.Size)
		if err != nil || !w.isNew(name) {
			continue
		}
		if p, err := w.reserve(name, int64(len(header)), blob.Size); err == nil {
			w.mu.Lock()
			w.expected[name] = p
			w.mu.Unlock()
		}
	}
}

// isNew tells whether an entry has not been written or announced.
func (w *tarWriter) isNew(name string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	_, written := w.tar.files[name]
	_, announced := w.expected[name]
	return !written && !announced && !w.done
}

// tarHeader is header as bytes.
func tarHeader(name string, size int64) ([]byte, error) {
	var b bytes.Buffer
	err := tar.NewWriter(&b).WriteHeader(header(name, size))
	return b.Bytes(), err
}

// Close closes the file. It drops one that is not complete.
func (w *tarWriter) Close() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	err := w.tar.f.Close()
	if w.done {
		return err
	}
	if err := os.Remove(w.temp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
