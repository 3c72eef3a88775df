package cli

import (
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/orlop/orlop/internal/admin"
)

func newACRRoleCommand(env *Env) *cobra.Command {
	return newGroup(&cobra.Command{
		Use:   "role [command]",
		Short: "Manage the roles of users and service principals",
	}, newGroup(&cobra.Command{
		Use:   "assignment [command]",
		Short: "Give and take roles",
	},
		newRoleAssignCommand(env),
		newRoleListCommand(env),
		newRoleUnassignCommand(env),
	))
}

// assigneeOptions name a user or a service principal.
type assigneeOptions struct {
	managementOptions
	assignee string
}

func (o *assigneeOptions) addFlags(fs *pflag.FlagSet) {
	o.managementOptions.addFlags(fs)
	fs.StringVar(&o.assignee, "assignee", "", "name of a user, or application id of a service principal")
}

func (o *assigneeOptions) validate() error {
	if o.assignee == "" {
		return usagef("--assignee is missing")
	}
	return o.managementOptions.validate()
}

// assignmentOptions are a role of somebody.
type assignmentOptions struct {
	assigneeOptions
	role, repository string
}

func (o *assignmentOptions) addFlags(fs *pflag.FlagSet) {
	o.assigneeOptions.addFlags(fs)
	fs.StringVar(&o.role, "role", "", "role: AcrPull, AcrPush, AcrDelete, Reader, Contributor, Owner and others of Azure")
	fs.StringVar(&o.repository, "repository", "", "only for this repository, or those of a prefix such as samples/*")
}

func (o *assignmentOptions) validate() error {
	if o.role == "" {
		return usagef("--role is missing")
	}
	return o.assigneeOptions.validate()
}

func (o *assignmentOptions) assignment() admin.RoleAssignment {
	return admin.RoleAssignment{Assignee: o.assignee, Role: o.role, Repository: o.repository}
}

func newRoleAssignCommand(env *Env) *cobra.Command {
	var opts assignmentOptions
	cmd := &cobra.Command{
		Use:   "create --assignee <name> --role <role> [flags]",
		Short: "Give a role",
		Example: examples(env, `
Let a user push to the repositories below samples:
  orlop acr role assignment create --assignee ann --role AcrPush --repository 'samples/*'`),
		Args: exactArgs(0, "the name by --assignee"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return opts.manage(env, func(c *admin.Client) (any, error) {
				return opts.assignment(), c.Assign(cmd.Context(), opts.assignment())
			})
		},
	}
	useGroups(cmd, &opts)
	return cmd
}

func newRoleListCommand(env *Env) *cobra.Command {
	var opts assigneeOptions
	cmd := &cobra.Command{
		Use:   "list --assignee <name> [flags]",
		Short: "List the roles of a user or a service principal",
		Example: examples(env, `
List the roles of a user:
  orlop acr role assignment list --assignee ann --output table`),
		Args: exactArgs(0, "the name by --assignee"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return opts.manage(env, func(c *admin.Client) (any, error) { return c.RoleAssignments(cmd.Context(), opts.assignee) })
		},
	}
	useGroups(cmd, &opts)
	return cmd
}

func newRoleUnassignCommand(env *Env) *cobra.Command {
	var opts assignmentOptions
	cmd := &cobra.Command{
		Use:   "delete --assignee <name> --role <role> [flags]",
		Short: "Take a role away, from the next request on",
		Example: examples(env, `
Take a role away:
  orlop acr role assignment delete --assignee ann --role AcrPush --repository 'samples/*'`),
		Args: exactArgs(0, "the name by --assignee"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return opts.manage(env, func(c *admin.Client) (any, error) { return nil, c.Unassign(cmd.Context(), opts.assignment()) })
		},
	}
	useGroups(cmd, &opts)
	return cmd
}
