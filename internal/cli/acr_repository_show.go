package cli

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/orlop/orlop/ref"
	"github.com/orlop/orlop/remote/auth"
)

// subjectOptions name a repository or an image, one of the two.
type subjectOptions struct {
	repository, image string
	parsedImage       image // if image was given
}

func (o *subjectOptions) addFlags(fs *pflag.FlagSet) {
	fs.StringVar(&o.repository, "repository", "", "name of the repository")
	fs.StringVarP(&o.image, "image", "t", "", "image as `REPOSITORY:TAG` or REPOSITORY@DIGEST")
}

func (o *subjectOptions) validate() (err error) {
	switch {
	case (o.repository == "") == (o.image == ""):
		return errors.New("give either --repository or --image")
	case o.image != "":
		o.parsedImage, err = parseImage(o.image)
		return err
	}
	return ref.ValidateRepository(o.repository)
}

type acrShowOptions struct {
	commonOptions
	registryOptions
	queryOptions
	subjectOptions
}

func newACRRepositoryShowCommand(env *Env) *cobra.Command {
	var opts acrShowOptions
	cmd := &cobra.Command{
		Use:   "show --name <registry> {--repository <name> | --image <name>{:<tag>|@<digest>}} [flags]",
		Short: "Show the attributes of a repository or an image",
		Example: examples(env, `
Show the tag 1.0 of the repository samples/artifact:
  orlop acr repository show --name myregistry --image samples/artifact:1.0

Show the repository:
  orlop acr repository show --name myregistry --repository samples/artifact

Print the digest of a tag:
  orlop acr repository show -n myregistry -t samples/artifact:1.0 --query digest -o tsv`),
		Args: exactArgs(0, "--repository or --image"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return runACRShow(cmd.Context(), env, &opts)
		},
	}
	useGroups(cmd, &opts.commonOptions, &opts.registryOptions, &opts.queryOptions, &opts.subjectOptions)
	return cmd
}

func runACRShow(ctx context.Context, env *Env, opts *acrShowOptions) error {
	reg, err := opts.openACR(env, &opts.commonOptions)
	if err != nil {
		return err
	}
	var v map[string]any
	name := reg.Host() + "/" + opts.repository
	if opts.image == "" {
		v, err = reg.repositoryAttributes(ctx, opts.repository)
	} else {
		name = reg.Host() + "/" + opts.parsedImage.String()
		v, err = reg.imageAttributes(ctx, opts.parsedImage)
	}
	if err != nil {
		return about(name, err)
	}
	return opts.write(env.Stdout, v)
}

func (r acrRegistry) repositoryAttributes(ctx context.Context, repo string) (map[string]any, error) {
	var answer map[string]any
	_, err := r.get(ctx, metadataPath(repo, ""), auth.Scope(repo, "metadata_read"), &answer)
	return answer, err
}

// imageAttributes returns the attributes of a tag, or of a manifest.
func (r acrRegistry) imageAttributes(ctx context.Context, im image) (map[string]any, error) {
	var answer map[string]any
	path, key := im.metadata()
	_, err := r.get(ctx, path, auth.Scope(im.repo, "metadata_read"), &answer)
	if lacksACR(err) {
		return plainImage(ctx, r, im)
	}
	if err != nil {
		return nil, err
	}
	attributes, ok := answer[key].(map[string]any)
	if !ok {
		return nil, fmt.Errorf("the answer to GET %s has no %s", path, key)
	}
	return attributes, nil
}
