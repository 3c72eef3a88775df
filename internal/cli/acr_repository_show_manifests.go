package cli

import (
	"context"
	"encoding/json"

	"github.com/spf13/cobra"

	"github.com/orlop/orlop/ref"
)

type acrShowManifestsOptions struct {
	namedOptions
	listOptions
	repository string
	detail     bool
}

func newACRRepositoryShowManifestsCommand(env *Env) *cobra.Command {
	var opts acrShowManifestsOptions
	cmd := &cobra.Command{
		Use:    "show-manifests --name <registry> --repository <name> [flags]",
		Short:  "List the manifests of a repository (older form of acr manifest list-metadata)",
		Hidden: true, // as az does
		Example: examples(env, `
List digests, tags and times:
  orlop acr repository show-manifests --name myregistry --repository samples/artifact`),
		Args: exactArgs(0, "the repository by --repository"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return runACRShowManifests(cmd.Context(), env, &opts)
		},
	}
	useGroups(cmd, &opts.namedOptions, &opts.listOptions)
	fs := cmd.Flags()
	fs.StringVar(&opts.repository, "repository", "", "name of the repository")
	fs.BoolVar(&opts.detail, "detail", false, "show all attributes")
	return cmd
}

// shortManifest is what shows of a manifest without --detail.
type shortManifest struct {
	Digest    string          `json:"digest"`
	Tags      json.RawMessage `json:"tags"`
	Timestamp string          `json:"timestamp"`
}

// UnmarshalJSON reads the attributes of a manifest. Tags that are not named are
// none; those that are null stay so, as for az.
func (m *shortManifest) UnmarshalJSON(raw []byte) error {
	attributes := struct {
		Digest, LastUpdateTime string
		Tags                   json.RawMessage
	}{Tags: json.RawMessage("[]")}
	err := json.Unmarshal(raw, &attributes)
	*m = shortManifest{attributes.Digest, attributes.Tags, attributes.LastUpdateTime}
	return err
}

func runACRShowManifests(ctx context.Context, env *Env, opts *acrShowManifestsOptions) error {
	if err := ref.ValidateRepository(opts.repository); err != nil {
		return &usageError{err: err}
	}
	reg, err := opts.open(env)
	if err != nil {
		return err
	}
	list, err := reg.manifests(ctx, opts.repository, opts.listOptions)
	if err != nil {
		return reg.about(opts.repository, err)
	}
	if opts.detail {
		return opts.write(env, list)
	}
	short, err := decodeItems[shortManifest](list)
	if err != nil {
		return reg.about(opts.repository, err)
	}
	return opts.write(env, short)
}
