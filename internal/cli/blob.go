package cli

import (
	"context"

	"github.com/opencontainers/go-digest"
	"github.com/spf13/cobra"

	"github.com/orlop/orlop"
)

func newBlobCommand(env *Env) *cobra.Command {
	return newGroup(&cobra.Command{
		Use:   "blob [command]",
		Short: "Read and change blobs in a registry or an OCI image layout",
	},
		newBlobFetchCommand(env),
		newBlobPushCommand(env),
		newBlobDeleteCommand(env),
	)
}

// needDigest demands a digest, which is the only name of a blob.
func (t *target) needDigest() error {
	if orlop.IsDigest(t.reference) {
		return nil
	}
	return withHint(usagef("%q: no digest specified", t.typed), "name the blob as %s@DIGEST", t.base)
}

// statBlob describes the blob that the target names.
func (t *target) statBlob(ctx context.Context) (orlop.Descriptor, error) {
	d, err := t.StatBlob(ctx, t.repo, digest.Digest(t.reference))
	return d, t.about(err)
}
