package cli

import (
	"context"
	"fmt"
	"net/http"

	"github.com/opencontainers/go-digest"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/orlop/orlop/ref"
	"github.com/orlop/orlop/remote/auth"
)

type acrRestoreOptions struct {
	artifactOptions
	digest     string
	force, yes bool
}

// addFlags leaves -d to --digest, as az does.
func (o *acrRestoreOptions) addFlags(fs *pflag.FlagSet) {
	var others pflag.FlagSet
	o.artifactOptions.addFlags(&others)
	others.VisitAll(func(f *pflag.Flag) {
		if f.Shorthand == "d" {
			f.Shorthand = ""
		}
		fs.AddFlag(f)
	})
	o.flags = fs
	fs.StringVarP(&o.digest, "digest", "d", "", "digest of the manifest (default the one that had the tag last)")
	fs.BoolVarP(&o.force, "force", "f", false, "replace the tag if it exists")
	fs.BoolVarP(&o.yes, "yes", "y", false, "do not ask")
}

func newACRManifestRestoreCommand(env *Env) *cobra.Command {
	opts := acrRestoreOptions{artifactOptions: artifactOptions{form: byTag}}
	cmd := &cobra.Command{
		Use:   "restore {--registry <registry> --name <name>:<tag> | <login server>/<name>:<tag>} [flags]",
		Short: "Restore a deleted manifest with a tag",
		Example: examples(env, `
Restore the manifest that had the tag 1.0 last:
  orlop acr manifest restore --registry myregistry --name samples/artifact:1.0

Restore a certain manifest, and replace the tag that exists by now:
  orlop acr manifest restore myregistry.example/samples/artifact:1.0 --force \
      --digest sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08`),
		Args: artifactArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			return runACRRestore(cmd.Context(), env, &opts, args)
		},
	}
	useGroups(cmd, &opts)
	return cmd
}

func runACRRestore(ctx context.Context, env *Env, opts *acrRestoreOptions, args []string) error {
	reg, err := opts.openArtifact(env, args)
	if err != nil {
		return err
	}
	im := opts.image
	ctx = auth.WithScopes(ctx, reg.Host(), auth.Scope(im.repo, "deleted_read", "deleted_restore"))
	dgst, err := opts.chosen(ctx, env, reg)
	if err != nil {
		return reg.about(im.String(), noSoftDelete(err))
	}
	raw, _, err := reg.do(ctx, acrCall{
		method: http.MethodPost,
		path:   deletedPath(im.repo, "/_manifests/"+string(dgst)+"?force="+pythonBool(opts.force)),
		body:   map[string]string{"tag": im.tag},
		scope:  auth.Scope(im.repo, "deleted_restore"),
	})
	if err != nil {
		return reg.about(im.String(), noSoftDelete(err))
	}
	return opts.write(env, raw)
}

// pythonBool writes a truth as az, which is Python, sends it.
func pythonBool(b bool) string {
	if b {
		return "True"
	}
	return "False"
}

// chosen returns the digest to restore: the one given, or the one that had the
// tag last. If several had it, the user is asked.
func (o *acrRestoreOptions) chosen(ctx context.Context, env *Env, reg acrRegistry) (digest.Digest, error) {
	if o.digest != "" {
		dgst, err := ref.ValidateDigest(o.digest)
		if err != nil {
			return "", &usageError{err: err}
		}
		return dgst, nil
	}
	list, err := reg.deletedTags(ctx, o.image)
	if err != nil {
		return "", err
	}
	tags, err := decodeItems[deletedTag](list)
	if err != nil {
		return "", err
	}
	if len(tags) == 0 {
		return "", withHint(fmt.Errorf("no deleted manifest had the tag %q", o.image.tag),
			"list the deleted tags: %s acr manifest list-deleted-tags %s/%s", env.program(), reg.Host(), o.image.repo)
	}
	dgst, err := ref.ValidateDigest(tags[len(tags)-1].Digest)
	if err != nil {
		return "", err
	}
	if len(tags) > 1 && !o.yes {
		return dgst, confirm(env, fmt.Sprintf("Several deleted manifests had the tag '%s'. "+
			"The one deleted last is restored: %s. Is this right?", o.image.tag, dgst))
	}
	return dgst, nil
}
