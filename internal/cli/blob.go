package cli

import "github.com/spf13/cobra"

func newBlobCommand(env *Env) *cobra.Command {
	return newGroup(&cobra.Command{
		Use:   "blob [command]",
		Short: "Read and change blobs in a registry or an OCI image layout",
	})
}
