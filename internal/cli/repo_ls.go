package cli

import (
	"context"
	"strings"

	"github.com/spf13/cobra"

	"github.com/orlop/orlop/internal/cli/output"
	"github.com/orlop/orlop/ref"
)

type repoListOptions struct {
	commonOptions
	remoteOptions
	formatOptions
	last string

	host, namespace string
}

func newRepoListCommand(env *Env) *cobra.Command {
	var opts repoListOptions
	cmd := &cobra.Command{
		Use:     "ls [flags] <registry>[/<namespace>]",
		Aliases: []string{"list"},
		Short:   "List the repositories of a registry",
		Example: examples(env, `
List the repositories of the registry at localhost:5000:
  orlop repo ls localhost:5000

List those below the namespace samples:
  orlop repo ls localhost:5000/samples

List those after the name hello, in the order of the registry:
  orlop repo ls --last hello localhost:5000

List them as JSON:
  orlop repo ls localhost:5000 --format json`),
		Args: exactArgs(1, "the registry"),
		RunE: func(cmd *cobra.Command, args []string) error {
			opts.host, opts.namespace, _ = strings.Cut(args[0], "/")
			return runRepoList(cmd.Context(), env, &opts)
		},
	}
	useGroups(cmd, &opts.commonOptions, &opts.remoteOptions, &opts.formatOptions)
	cmd.Flags().StringVar(&opts.last, "last", "", "start after this repository")
	return cmd
}

// repoList is the result of repo ls as JSON.
type repoList struct {
	Registry     string   `json:"registry"`
	Repositories []string `json:"repositories"`
}

func runRepoList(ctx context.Context, env *Env, opts *repoListOptions) error {
	if err := ref.ValidateRegistry(opts.host); err != nil {
		return &usageError{err: err}
	}
	prefix := strings.Trim(opts.namespace, "/")
	if prefix != "" {
		prefix += "/"
	}
	reg, err := opts.registry(env, &opts.commonOptions, opts.host)
	if err != nil {
		return err
	}
	out := output.NewPrinter(env.Stdout)
	list := repoList{Registry: opts.host, Repositories: []string{}}
	for name, err := range reg.Repositories(ctx, opts.last) {
		if err != nil {
			return about(opts.host, err)
		}
		short, ok := strings.CutPrefix(name, prefix)
		switch {
		case !ok || short == "":
		case opts.parsed.IsText():
			out.Line("%s", short) // at once: a registry may have a million
		default:
			list.Repositories = append(list.Repositories, name)
		}
	}
	if opts.parsed.IsText() {
		return out.Err()
	}
	return opts.parsed.Write(env.Stdout, list)
}
