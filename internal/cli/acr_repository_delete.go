package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"github.com/opencontainers/go-digest"
	"github.com/spf13/cobra"

	"github.com/orlop/orlop/internal/cli/output"
	"github.com/orlop/orlop/ref"
	"github.com/orlop/orlop/remote/auth"
)

type acrDeleteOptions struct {
	namedOptions
	subjectOptions
	yes bool
}

func newACRRepositoryDeleteCommand(env *Env) *cobra.Command {
	var opts acrDeleteOptions
	cmd := &cobra.Command{
		Use:   "delete --name <registry> {--repository <name> | --image <name>{:<tag>|@<digest>}} [flags]",
		Short: "Delete a repository, or an image with all its tags",
		Long: `Delete a repository, or the manifest that --image names together with all
its tags. What goes is named first, and asked about unless --yes is given.`,
		Example: examples(env, `
Delete the manifest with the tag 1.0, and all its other tags:
  orlop acr repository delete --name myregistry --image samples/artifact:1.0

Delete a repository without being asked:
  orlop acr repository delete --name myregistry --repository samples/artifact --yes`),
		Args: exactArgs(0, "--repository or --image"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return runACRDelete(cmd.Context(), env, &opts)
		},
	}
	useGroups(cmd, &opts.namedOptions, &opts.subjectOptions)
	cmd.Flags().BoolVarP(&opts.yes, "yes", "y", false, "do not ask")
	return cmd
}

func runACRDelete(ctx context.Context, env *Env, opts *acrDeleteOptions) error {
	reg, err := opts.open(env)
	if err != nil {
		return err
	}
	if opts.image == "" {
		err = deleteRepository(ctx, env, opts, reg)
	} else {
		err = deleteImage(ctx, env, opts, reg)
	}
	return reg.about(opts.subject.String(), err)
}

func deleteRepository(ctx context.Context, env *Env, opts *acrDeleteOptions, reg acrRegistry) error {
	if !opts.yes {
		question := fmt.Sprintf("Are you sure you want to delete the repository '%s' and all images under it?", opts.repository)
		if err := confirm(env, question); err != nil {
			return err
		}
	}
	raw, _, err := reg.do(ctx, acrCall{
		method: http.MethodDelete, path: metadataPath(opts.repository, ""),
		scope: auth.Scope(opts.repository, "delete", "metadata_read"),
	})
	if err != nil {
		return err
	}
	return opts.write(env, raw)
}

// deleteImage deletes the manifest of an image. The tags that go with it are
// named before anything is done.
func deleteImage(ctx context.Context, env *Env, opts *acrDeleteOptions, reg acrRegistry) error {
	im := opts.subject
	ctx = auth.WithScopes(ctx, reg.Host(), auth.Scope(im.repo, "delete", "metadata_read"))
	dgst, err := reg.digest(ctx, im)
	if err != nil {
		return err
	}
	images, err := reg.imagesOf(ctx, im.repo, dgst)
	if err != nil {
		return err
	}
	message := fmt.Sprintf("This operation will delete the manifest '%s'", dgst)
	if len(images) > 0 {
		message += " and all the following images: " + strings.Join(images, ", ")
	}
	if opts.yes {
		output.NewPrinter(env.Stderr).Line("%s.", message)
	} else if err := confirm(env, message+".\nAre you sure you want to continue?"); err != nil {
		return err
	}
	return reg.DeleteManifest(ctx, im.repo, dgst)
}

// digest returns the digest of an image. That of a tag is metadata, so that an
// account that may not pull can still delete.
func (r acrRegistry) digest(ctx context.Context, im image) (digest.Digest, error) {
	if im.digest != "" {
		return digest.Digest(im.digest), nil
	}
	raw, err := r.attributes(ctx, im)
	if err != nil {
		return "", err
	}
	var tag acrTag
	if err := json.Unmarshal(raw, &tag); err != nil {
		return "", fmt.Errorf("read the attributes of %s: %w", im, err)
	}
	if dgst, err := ref.ValidateDigest(tag.Digest); err == nil {
		return dgst, nil
	}
	return "", fmt.Errorf("the registry names no valid digest for %s: %q", im, tag.Digest)
}

// imagesOf lists the images, as 'repository:tag', that name a manifest.
func (r acrRegistry) imagesOf(ctx context.Context, repo string, dgst digest.Digest) ([]string, error) {
	items, err := r.tags(ctx, repo, listOptions{})
	if lacksACR(err) {
		return plainImagesOf(ctx, r, repo, dgst)
	}
	if err != nil {
		return nil, err
	}
	tags, err := decodeItems[acrTag](items)
	if err != nil {
		return nil, err
	}
	var images []string
	for _, t := range tags {
		if t.Digest == string(dgst) {
			images = append(images, fmt.Sprintf("'%s:%s'", repo, t.Name))
		}
	}
	return images, nil
}
