package cli

import (
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

func newACRCommand(env *Env) *cobra.Command {
	return newGroup(&cobra.Command{
		Use:   "acr [command]",
		Short: "Manage a registry as `az acr` does",
		Long: `Manage a registry as "az acr" does, with the same flags, output and exit codes.

--name (below "acr manifest" --registry) gives the registry: a full host name,
or a short name that becomes one by --suffix, by "loginServerSuffix" in the
configuration ($ORLOP_CONFIG, by default orlop/config.json in the user's
configuration directory), or by the registry last signed in to.

Who you are here is who you signed in as by "acr login", as for "az acr" it is
who signed in by "az login": a later "login" with an account that only pushes
and pulls does not change it. Without "acr login" it is the account of "login".

Exit codes of the commands that az has too: 0 done, 1 failed, 2 wrong use,
3 nothing to show, 130 interrupted.`,
	},
		asAz(newACRLoginCommand(env)),
		asAz(newACRRepositoryCommand(env)),
		asAz(newACRManifestCommand(env)),
		asAz(newACRCheckHealthCommand(env)),
		asAz(newACRListCommand(env)),
		asAz(newACRShowCommand(env)),
		asAz(newACRCreateCommand(env)),
		asAz(newACRDeleteCommand(env)),
		asAz(newACRUpdateCommand(env)),
		asAz(newACRCredentialCommand(env)),
		asAz(newACRTokenCommand(env)),
		asAz(newACRScopeMapCommand(env)),
		newACRServicePrincipalCommand(env),
		newACRUserCommand(env),
		newACRRoleCommand(env),
		newACRGCCommand(env),
	)
}

// registryOptions say which registry a command is about, and who asks.
type registryOptions struct {
	remoteOptions
	registryName, suffix string
}

func (o *registryOptions) addFlags(fs *pflag.FlagSet) {
	o.remoteOptions.addFlags(fs)
	fs.StringVarP(&o.registryName, "registry", "r", "", "the registry: its name or login server (default the one last signed in to)")
	fs.StringVar(&o.suffix, "suffix", "", "login server suffix that follows the name")
	addIgnoredFlags(fs)
}

// addIgnoredFlags takes flags of az that change nothing here, so that command
// lines made for az go on working.
func addIgnoredFlags(fs *pflag.FlagSet) {
	fs.StringP("resource-group", "g", "", "not needed")
	fs.String("subscription", "", "not needed")
	fs.Bool("only-show-errors", false, "not needed")
	for _, name := range []string{"resource-group", "subscription", "only-show-errors"} {
		fs.MarkHidden(name)
	}
}

// acrOptions are the flags of every command that az has too.
type acrOptions struct {
	commonOptions
	registryOptions
	queryOptions
}

func (o *acrOptions) addFlags(fs *pflag.FlagSet) {
	o.commonOptions.addFlags(fs)
	o.registryOptions.addFlags(fs)
	o.queryOptions.addFlags(fs)
}

func (o *acrOptions) validate() error {
	if err := o.remoteOptions.validate(); err != nil {
		return err
	}
	return o.queryOptions.validate()
}

// open opens the registry that the flags name.
func (o *acrOptions) open(env *Env) (acrRegistry, error) {
	host, err := loginServer(env, o.registryName, o.suffix)
	if err != nil {
		return acrRegistry{}, err
	}
	cred, err := o.acrCredential(env)
	if err != nil {
		return acrRegistry{}, err
	}
	reg, err := o.remoteOptions.open(env, &o.commonOptions, host, cred)
	return acrRegistry{reg}, err
}

// namedOptions are acrOptions of commands where --name is the registry.
type namedOptions struct {
	acrOptions
}

func (o *namedOptions) addFlags(fs *pflag.FlagSet) {
	o.acrOptions.addFlags(fs)
	fs.StringVarP(&o.registryName, "name", "n", "", "the registry: its name or login server (default the one last signed in to)")
	fs.MarkHidden("registry")
}

// listOptions bound and order a list.
type listOptions struct {
	top     int
	orderBy string
}

func (o *listOptions) addFlags(fs *pflag.FlagSet) {
	fs.IntVar(&o.top, "top", 0, "show so many at most; 0 shows all")
	fs.StringVar(&o.orderBy, "orderby", "", "order: time_asc or time_desc; by name without it")
}

// orders are the values of --orderby, and how the registry calls them.
var orders = map[string]string{"": "", "time_asc": "timeasc", "time_desc": "timedesc"}

func (o *listOptions) validate() error {
	if _, ok := orders[o.orderBy]; !ok {
		return usagef("invalid --orderby %q: supported are time_asc and time_desc", o.orderBy)
	}
	if o.top < 0 {
		return usagef("--top cannot be negative")
	}
	return nil
}

func (o *listOptions) values() (flag string, values []string) {
	return "orderby", []string{"time_asc", "time_desc"}
}
