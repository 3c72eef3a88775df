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
		return full(err)
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

// compact closes the gaps that failed blobs have left, by moving what follows.
func (w *tarWriter) compact(ctx context.Context) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	slices.SortFunc(w.free, func(a, b place) int { return cmp.Compare(a.offset, b.offset) })
	for len(w.free) > 0 {
		if err := w.closeGap(ctx, w.free[0]); err != nil {
			return err
		}
		gap := w.free[0]
		w.free = w.free[1:]
		for i := range w.free {
			w.free[i].offset -= gap.size
		}
	}
	return nil
}

func (w *tarWriter) closeGap(ctx context.Context, gap place) error {
	behind := gap.offset + gap.size
	to := io.NewOffsetWriter(w.tar.f, gap.offset)
	from := io.NewSectionReader(w.tar.f, behind, w.end-behind)
	buf := make([]byte, bufferSize)
	for {
		n, err := from.Read(buf)
		if _, err := to.Write(buf[:n]); err != nil {
			return err
		}
		if err == io.EOF {
			break
		}
		if err = errors.Join(err, ctx.Err()); err != nil {
			return err
		}
	}
	for name, s := range w.tar.files {
		if s.offset >= behind {
			w.tar.files[name] = section{s.offset - gap.size, s.size}
		}
	}
	w.end -= gap.size
	return nil
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
