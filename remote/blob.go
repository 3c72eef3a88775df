package remote

import (
	"context"
	"fmt"
	"net/http"

	"github.com/opencontainers/go-digest"

	"github.com/orlop/orlop"
)

const octetStream = "application/octet-stream"

func blobPath(repo string, dgst digest.Digest) string {
	return "/v2/" + repo + "/blobs/" + string(dgst)
}

func readBlob(method, repo string, dgst digest.Digest) call {
	return call{
		method: method, path: blobPath(repo, dgst), scopes: pull(repo),
		want: []int{http.StatusOK}, absent: orlop.ErrBlobUnknown,
	}
}

// StatBlob implements orlop.Reader. The media type is a stream of bytes.
func (r *Registry) StatBlob(ctx context.Context, repo string, dgst digest.Digest) (orlop.Descriptor, error) {
	if err := check(orlop.ValidateRepository(repo), orlop.ValidateDigest(dgst)); err != nil {
		return orlop.Descriptor{}, err
	}
	c := readBlob(http.MethodHead, repo, dgst)
	resp, err := r.send(ctx, c)
	if err != nil {
		return orlop.Descriptor{}, err
	}
	if err := drop(resp); err != nil {
		return orlop.Descriptor{}, err
	}
	if resp.ContentLength < 0 {
		return orlop.Descriptor{}, c.bad(resp, "the registry does not tell the size of blob %s", dgst)
	}
	if err := sameDigest(resp, dgst); err != nil {
		return orlop.Descriptor{}, c.bad(resp, "%w", err)
	}
	return orlop.Descriptor{MediaType: octetStream, Digest: dgst, Size: resp.ContentLength}, nil
}

// sameDigest checks the digest that an answer names, if it names one by the
// same algorithm.
func sameDigest(resp *http.Response, dgst digest.Digest) error {
	said := digest.Digest(resp.Header.Get("Docker-Content-Digest"))
	if said == dgst || orlop.ValidateDigest(said) != nil || said.Algorithm() != dgst.Algorithm() {
		return nil
	}
	return fmt.Errorf("%w: the registry answers with %s instead of %s", orlop.ErrDamaged, said, dgst)
}

// DeleteBlob implements orlop.Deleter.
func (r *Registry) DeleteBlob(ctx context.Context, repo string, dgst digest.Digest) error {
	if err := check(orlop.ValidateRepository(repo), orlop.ValidateDigest(dgst)); err != nil {
		return err
	}
	return r.delete(ctx, repo, blobPath(repo, dgst), orlop.ErrBlobUnknown)
}
