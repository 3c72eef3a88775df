package cli

import (
	"context"
	"errors"

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
	repo, path, key := opts.repository, metadataPath(opts.repository, ""), ""
	name := reg.Host() + "/" + repo
	if opts.image != "" {
		repo = opts.parsedImage.repo
		path, key = opts.parsedImage.metadata()
		name = reg.Host() + "/" + opts.parsedImage.String()
	}
	var answer map[string]any
	if _, err := reg.get(ctx, path, auth.Scope(repo, "metadata_read"), &answer); err != nil {
		return about(name, err)
	}
	if key != "" {
		return opts.write(env.Stdout, answer[key])
	}
	return opts.write(env.Stdout, answer)
}
