package cli

import "github.com/spf13/cobra"

func newACRRepositoryCommand(env *Env) *cobra.Command {
	return newGroup(&cobra.Command{
		Use:   "repository [command]",
		Short: "Show and delete repositories, images and tags",
	},
		newACRRepositoryListCommand(env),
		newACRRepositoryShowCommand(env),
		newACRRepositoryShowTagsCommand(env),
		newACRRepositoryDeleteCommand(env),
	)
}
