package cli

import "github.com/spf13/cobra"

func newACRRepositoryCommand(env *Env) *cobra.Command {
	return newGroup(&cobra.Command{
		Use:   "repository [command]",
		Short: "Show, lock and delete repositories, images and tags",
	},
		newACRRepositoryListCommand(env),
		newACRRepositoryShowCommand(env),
		newACRRepositoryShowTagsCommand(env),
		newACRRepositoryShowManifestsCommand(env),
		newACRRepositoryUpdateCommand(env),
		newACRRepositoryUntagCommand(env),
		newACRRepositoryDeleteCommand(env),
		newACRRepositoryListDeletedCommand(env),
	)
}
