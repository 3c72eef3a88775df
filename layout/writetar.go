package layout

import (
	"archive/tar"
	"context"
	"fmt"
	"io"
	"maps"
	"slices"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/orlop/orlop"
)

// WriteTar writes the layout to w as a tar file that OpenTar can read: what
// index.json names and what lies below, in the order of the digests, without
// times. The same content under the same index.json gives the same bytes.
// Manifests may be missing, as they may in a layout; blobs may not.
func (r *Registry) WriteTar(ctx context.Context, w io.Writer) error {
	index, err := r.currentIndex()
	if err != nil {
		return err
	}
	doc := index.doc
	if doc.Manifests, err = r.entries(); err != nil {
		return err
	}
	raw, err := marshalIndex(doc)
	if err != nil {
		return err
	}
	blobs, err := r.reachable(ctx, doc.Manifests)
	if err != nil {
		return fmt.Errorf("write tar: %w", err)
	}
	tw := tar.NewWriter(w)
	err = writeEntry(tw, ocispec.ImageLayoutFile, []byte(layoutFile))
	if err == nil {
		err = writeEntry(tw, ocispec.ImageIndexFile, raw)
	}
	for _, dgst := range slices.Sorted(maps.Keys(blobs)) {
		if err == nil {
			err = r.writeBlobEntry(ctx, tw, dgst)
		}
	}
	if err == nil {
		err = tw.Close()
	}
	if err != nil {
		return fmt.Errorf("write tar: %w", full(err))
	}
	return nil
}

// reachable returns the digests of the manifests of entries and of all below
// that is there or must be.
func (r *Registry) reachable(ctx context.Context, entries []orlop.Descriptor) (map[digest.Digest]bool, error) {
	found := map[digest.Digest]bool{}
	err := r.walk(ctx, entries, func(desc orlop.Descriptor) ([]orlop.Descriptor, error) {
		raw, err := r.readManifest(desc.Digest)
		if err != nil {
			return nil, err
		}
		found[desc.Digest] = true
		info, err := orlop.ParseManifest(desc.MediaType, raw)
		if err != nil {
			return nil, nil // it is content that index.json names
		}
		for blob := range info.Blobs() {
			found[blob.Digest] = true
		}
		return info.Children, nil
	})
	return found, err
}

// writeBlobEntry writes a blob or manifest, checked against its digest.
func (r *Registry) writeBlobEntry(ctx context.Context, tw *tar.Writer, dgst digest.Digest) error {
	blob, err := r.OpenBlob(ctx, "", dgst, 0, -1)
	if err != nil {
		return fmt.Errorf("blob %s: %w", dgst, err)
	}
	defer blob.Close()
	if err := tw.WriteHeader(header(blobPath(dgst), blob.Descriptor().Size)); err != nil {
		return err
	}
	_, err = io.CopyBuffer(tw, contextReader{ctx, blob}, make([]byte, bufferSize))
	return err
}

// contextReader reads until ctx is done.
type contextReader struct {
	ctx context.Context
	r   io.Reader
}

func (c contextReader) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.r.Read(p)
}

func writeEntry(tw *tar.Writer, name string, content []byte) error {
	if err := tw.WriteHeader(header(name, int64(len(content)))); err != nil {
		return err
	}
	_, err := tw.Write(content)
	return err
}

// header is the same for the same name and size.
func header(name string, size int64) *tar.Header {
	return &tar.Header{Typeflag: tar.TypeReg, Name: name, Size: size, Mode: 0o644}
}
