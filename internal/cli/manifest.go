package cli

import "github.com/spf13/cobra"

func newManifestCommand(env *Env) *cobra.Command {
	return newGroup(&cobra.Command{
		Use:   "manifest [command]",
		Short: "Read and change manifests in a registry or an OCI image layout",
	},
		newManifestFetchCommand(env),
		newManifestFetchConfigCommand(env),
		newManifestPushCommand(env),
		newManifestDeleteCommand(env),
		newManifestIndexCommand(env),
	)
}
