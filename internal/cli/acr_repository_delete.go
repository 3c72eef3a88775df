package cli

import (
	"context"
	"fmt"
	"strings"

	"github.com/opencontainers/go-digest"
	"github.com/spf13/cobra"

	"github.com/orlop/orlop/ref"
	"github.com/orlop/orlop/remote/auth"
)

type acrDeleteOptions struct {
	commonOptions
	registryOptions
	queryOptions
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
	useGroups(cmd, &opts.commonOptions, &opts.registryOptions, &opts.queryOptions, &opts.subjectOptions)
	cmd.Flags().BoolVarP(&opts.yes, "yes", "y", false, "do not ask")
	return cmd
}

func runACRDelete(ctx context.Context, env *Env, opts *acrDeleteOptions) error {
	reg, err := opts.openACR(env, &opts.commonOptions)
	if err != nil {
		return err
	}
	if opts.image == "" {
		return deleteRepository(ctx, env, opts, reg)
	}
	return about(reg.Host()+"/"+opts.parsedImage.String(), deleteImage(ctx, env, opts, reg))
}

func deleteRepository(ctx context.Context, env *Env, opts *acrDeleteOptions, reg acrRegistry) error {
	question := fmt.Sprintf("Are you sure you want to delete the repository '%s' and all images under it?", opts.repository)
	if err := opts.confirm(env, question); err != nil {
		return err
	}
	var deleted any
	scope := auth.Scope(opts.repository, "delete", "metadata_read")
	if err := reg.delete(ctx, metadataPath(opts.repository, ""), scope, &deleted); err != nil {
		return about(reg.Host()+"/"+opts.repository, err)
	}
	return opts.write(env.Stdout, deleted)
}

// deleteImage deletes the manifest of an image. The tags that go with it are
// named before anything is done.
func deleteImage(ctx context.Context, env *Env, opts *acrDeleteOptions, reg acrRegistry) error {
	im := opts.parsedImage
	ctx = auth.WithScopes(ctx, reg.Host(), auth.Scope(im.repo, "delete", "metadata_read"))
	dgst, err := reg.digest(ctx, im)
	if err != nil {
		return err
	}
	images, err := reg.imagesOf(ctx, im.repo, dgst)
	if err != nil {
		return err
	}
	question := fmt.Sprintf("This operation will delete the manifest '%s' and all the following images: %s.\n"+
		"Are you sure you want to continue?", dgst, strings.Join(images, ", "))
	if err := opts.confirm(env, question); err != nil {
		return err
	}
	return reg.DeleteManifest(ctx, im.repo, dgst)
}

func (o *acrDeleteOptions) confirm(env *Env, question string) error {
	if o.yes {
		return nil
	}
	return confirm(env, question)
}

// digest returns the digest of an image. That of a tag is metadata, so that an
// account that may not pull can still delete.
func (r acrRegistry) digest(ctx context.Context, im image) (digest.Digest, error) {
	if im.digest != "" {
		return digest.Digest(im.digest), nil
	}
	attributes, err := r.imageAttributes(ctx, im)
	if err != nil {
		return "", err
	}
	text := fmt.Sprint(attributes["digest"])
	if dgst, err := ref.ValidateDigest(text); err == nil {
		return dgst, nil
	}
	return "", fmt.Errorf("the registry names no valid digest for %s: %q", im, text)
}

// imagesOf lists the images, as 'repository:tag', that name a manifest.
func (r acrRegistry) imagesOf(ctx context.Context, repo string, dgst digest.Digest) ([]string, error) {
	tags, err := r.tags(ctx, repo, "", 0)
	if lacksACR(err) {
		return plainImagesOf(ctx, r, repo, dgst)
	}
	if err != nil {
		return nil, err
	}
	var images []string
	for _, t := range tags {
		if t["digest"] == string(dgst) {
			images = append(images, fmt.Sprintf("'%s:%v'", repo, t["name"]))
		}
	}
	return images, nil
}
