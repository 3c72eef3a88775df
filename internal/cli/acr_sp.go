package cli

import (
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/orlop/orlop/internal/admin"
)

func newACRServicePrincipalCommand(env *Env) *cobra.Command {
	return newGroup(&cobra.Command{
		Use:   "sp [command]",
		Short: "Manage the service principals of an Orlop registry",
		Long: `Manage the service principals of an Orlop registry: accounts for programs,
with a role at the registry or at some repositories. Only an account with the
role Owner, such as admin, may do so. Without --registry it is the registry last
signed in to.`,
	},
		newServicePrincipalCreateCommand(env),
		newServicePrincipalListCommand(env),
		newServicePrincipalUpdateCommand(env),
		newServicePrincipalDeleteCommand(env),
		newGroup(&cobra.Command{
			Use:   "credential [command]",
			Short: "Manage the secrets of a service principal",
		},
			newServicePrincipalResetCommand(env),
			newServicePrincipalSecretsCommand(env),
			newServicePrincipalSecretDeleteCommand(env),
		),
	)
}

// managementOptions name the registry to manage. --name is not it here: it
// names the service principal, as with az ad sp.
type managementOptions struct {
	commonOptions
	remoteOptions
	queryOptions
	registryName, suffix string
}

func (o *managementOptions) addFlags(fs *pflag.FlagSet) {
	o.commonOptions.addFlags(fs)
	o.remoteOptions.addFlags(fs)
	o.queryOptions.addFlags(fs)
	fs.StringVarP(&o.registryName, "registry", "r", "", "the registry: its name or login server (default the one last signed in to)")
	fs.StringVar(&o.suffix, "suffix", "", "login server suffix that follows the name")
	addIgnoredFlags(fs)
}

func (o *managementOptions) validate() error {
	if err := o.remoteOptions.validate(); err != nil {
		return err
	}
	return o.queryOptions.validate()
}

// client returns the client of the registry's management, and its host.
func (o *managementOptions) client(env *Env) (*admin.Client, string, error) {
	host, err := loginServer(env, o.registryName, o.suffix)
	if err != nil {
		return nil, "", err
	}
	cred, err := o.acrCredential(env)
	if err != nil {
		return nil, "", err
	}
	reg, err := o.open(env, &o.commonOptions, host, cred)
	if err != nil {
		return nil, "", err
	}
	return admin.NewClient(reg), host, nil
}
