package cli

import (
	"errors"
	"strings"

	"github.com/spf13/cobra"

	"github.com/orlop/orlop"
	"github.com/orlop/orlop/internal/cli/output"
)

func newACRManifestCommand(env *Env) *cobra.Command {
	return newGroup(&cobra.Command{
		Use:   "manifest [command]",
		Short: "Show, lock, delete and restore manifests",
		Long: `Show, lock, delete and restore manifests. The commands name what they are about
by --registry and --name, or by one argument:

  --registry myregistry --name samples/artifact:1.0
  myregistry.example/samples/artifact:1.0`,
	},
		newACRManifestShowCommand(env),
		newACRManifestListCommand(env),
		newACRManifestShowMetadataCommand(env),
		newACRManifestListMetadataCommand(env),
		newACRManifestUpdateMetadataCommand(env),
		newACRManifestDeleteCommand(env),
		newACRManifestListReferrersCommand(env),
		newACRManifestListDeletedCommand(env),
		newACRManifestListDeletedTagsCommand(env),
		newACRManifestRestoreCommand(env),
		newACRManifestMetadataCommand(env),
	)
}

// newACRManifestMetadataCommand is the former name of three commands, which az
// still takes.
func newACRManifestMetadataCommand(env *Env) *cobra.Command {
	commands := []*cobra.Command{
		newACRManifestShowMetadataCommand(env), newACRManifestListMetadataCommand(env), newACRManifestUpdateMetadataCommand(env),
	}
	for _, cmd := range commands {
		cmd.Use, cmd.Hidden = strings.Replace(cmd.Use, "-metadata", "", 1), true
	}
	return newGroup(&cobra.Command{Use: "metadata [command]", Short: "The former names of the metadata commands", Hidden: true}, commands...)
}

// fieldsTable makes a table of certain fields of objects. A field that is not
// there is an empty cell.
func fieldsTable(items any, titles []string, paths ...[]string) ([]string, [][]string) {
	list, _ := items.([]any)
	rows := make([][]string, len(list))
	for i, item := range list {
		for _, path := range paths {
			rows[i] = append(rows[i], output.Cell(item, path...))
		}
	}
	return titles, rows
}

// noSoftDelete explains the answer of a registry that keeps nothing of what is
// deleted.
func noSoftDelete(err error) error {
	if errors.Is(err, orlop.ErrUnsupported) || lacksACR(err) {
		return withHint(err, "is soft delete on at this registry?")
	}
	return err
}
