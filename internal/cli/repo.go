package cli

import "github.com/spf13/cobra"

func newRepoCommand(env *Env) *cobra.Command {
	return newGroup(&cobra.Command{
		Use:     "repo [command]",
		Aliases: []string{"repository"},
		Short:   "List repositories and their tags",
	},
		newRepoListCommand(env),
		newRepoTagsCommand(env),
	)
}
