package registries

import (
	"context"
	"io"

	"github.com/opencontainers/go-digest"

	"github.com/orlop/orlop"
)

// writer writes to the registry that was named.
type writer struct{ named *endpoint }

// PushBlob implements orlop.Writer.
func (w writer) PushBlob(ctx context.Context, repo string, desc orlop.Descriptor, content io.Reader) error {
	reg, err := w.named.open(ctx)
	if err != nil {
		return err
	}
	return reg.PushBlob(ctx, repo, desc, content)
}

// PushOrMount implements orlop.MountPusher.
func (w writer) PushOrMount(ctx context.Context, repo, from string, desc orlop.Descriptor, content io.Reader) (bool, error) {
	reg, err := w.named.open(ctx)
	if err != nil {
		return false, err
	}
	return reg.PushOrMount(ctx, repo, from, desc, content)
}

// MountBlob implements orlop.Writer.
func (w writer) MountBlob(ctx context.Context, repo, from string, dgst digest.Digest) error {
	reg, err := w.named.open(ctx)
	if err != nil {
		return err
	}
	return reg.MountBlob(ctx, repo, from, dgst)
}

// Upload implements orlop.Writer.
func (w writer) Upload(ctx context.Context, repo, id string) (orlop.BlobWriter, error) {
	reg, err := w.named.open(ctx)
	if err != nil {
		return nil, err
	}
	return reg.Upload(ctx, repo, id)
}

// PushManifest implements orlop.Writer.
func (w writer) PushManifest(ctx context.Context, repo, mediaType string, raw []byte, tags ...string) (orlop.Descriptor, error) {
	reg, err := w.named.open(ctx)
	if err != nil {
		return orlop.Descriptor{}, err
	}
	return reg.PushManifest(ctx, repo, mediaType, raw, tags...)
}

// PushManifestDigest implements orlop.DigestPusher.
func (w writer) PushManifestDigest(
	ctx context.Context, repo, mediaType string, dgst digest.Digest, raw []byte, tags ...string,
) (orlop.Descriptor, error) {
	reg, err := w.named.open(ctx)
	if err != nil {
		return orlop.Descriptor{}, err
	}
	return reg.PushManifestDigest(ctx, repo, mediaType, dgst, raw, tags...)
}

// DeleteBlob implements orlop.Deleter.
func (w writer) DeleteBlob(ctx context.Context, repo string, dgst digest.Digest) error {
	reg, err := w.named.open(ctx)
	if err != nil {
		return err
	}
	return reg.DeleteBlob(ctx, repo, dgst)
}

// DeleteManifest implements orlop.Deleter.
func (w writer) DeleteManifest(ctx context.Context, repo string, dgst digest.Digest) error {
	reg, err := w.named.open(ctx)
	if err != nil {
		return err
	}
	return reg.DeleteManifest(ctx, repo, dgst)
}

// DeleteTag implements orlop.Deleter.
func (w writer) DeleteTag(ctx context.Context, repo, tag string) error {
	reg, err := w.named.open(ctx)
	if err != nil {
		return err
	}
	return reg.DeleteTag(ctx, repo, tag)
}
