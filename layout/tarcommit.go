package layout

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// commit completes the tar file and gives it its name. Nothing else may be
// under way.
func (w *tarWriter) commit(ctx context.Context, pushed *names) error {
	if w.complete() {
		return nil
	}
	doc := emptyIndex()
	doc.Manifests = pushed.merge(nil)
	raw, err := marshalIndex(doc)
	if err != nil {
		return err
	}
	if err := w.compact(ctx); err != nil {
		return fmt.Errorf("close the gaps in %s: %w", w.temp, full(err))
	}
	if err := w.writeFile(ocispec.ImageIndexFile, raw); err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.finish(); err != nil {
		return fmt.Errorf("complete %s: %w", w.path, full(err))
	}
	w.done = true
	return nil
}

// compact closes the gaps that failed blobs have left, and those that did not
// come, by moving what follows.
func (w *tarWriter) compact(ctx context.Context) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.broken != nil {
		return w.broken
	}
	for _, p := range w.expected {
		w.free = append(w.free, p)
	}
	clear(w.expected)
	if len(w.free) == 0 {
		return nil
	}
	gaps := append(w.free, place{w.end, 0})
	slices.SortFunc(gaps, func(a, b place) int { return cmp.Compare(a.offset, b.offset) })
	shift := int64(0)
	for i, gap := range gaps[:len(gaps)-1] {
		shift += gap.size
		if err := w.moveDown(ctx, gap.offset+gap.size, gaps[i+1].offset, shift); err != nil {
			w.broken = err // some has moved, so nothing is where it should be
			return err
		}
	}
	for name, s := range w.tar.files {
		for _, gap := range gaps {
			if gap.offset < w.tar.files[name].offset {
				s.offset -= gap.size
			}
		}
		w.tar.files[name] = s
	}
	w.end -= shift
	w.free = nil
	return nil
}

// moveDown moves the bytes from start to end towards the begin of the file.
func (w *tarWriter) moveDown(ctx context.Context, start, end, by int64) error {
	from := io.NewSectionReader(w.tar.f, start, end-start)
	to := io.NewOffsetWriter(w.tar.f, start-by)
	_, err := io.CopyBuffer(to, contextReader{ctx, from}, make([]byte, bufferSize))
	return err
}

// finish ends the file, makes it durable and opens it under its name. w.mu must
// be held.
func (w *tarWriter) finish() error {
	if err := w.tar.f.Truncate(w.end + tarTrailer); err != nil { // the end of a gap may still be there
		return err
	}
	if _, err := w.tar.f.WriteAt(make([]byte, tarTrailer), w.end); err != nil {
		return err
	}
	if err := w.tar.f.Sync(); err != nil {
		return err
	}
	if err := w.tar.f.Close(); err != nil { // before the renaming, for Windows
		return err
	}
	if err := os.Rename(w.temp, w.path); err != nil {
		return err
	}
	dir, err := openDir(filepath.Dir(w.path))
	if err != nil {
		return err
	}
	err = errors.Join(dir.syncDir("."), dir.Close())
	f, openErr := os.Open(w.path)
	w.tar.f = f
	return errors.Join(err, openErr)
}
