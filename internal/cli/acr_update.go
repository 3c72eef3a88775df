package cli

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"github.com/orlop/orlop/internal/admin"
)

var errAdminDisabled = errors.New("the admin user is disabled")

type registryUpdateOptions struct {
	ofRegistry
	admin, anonymous choice
	roleMode         string
	repository       string
}

// registryAccess is how a registry is open.
type registryAccess struct {
	AdminUserEnabled     bool   `json:"adminUserEnabled"`
	AnonymousPullEnabled bool   `json:"anonymousPullEnabled"`
	RoleAssignmentMode   string `json:"roleAssignmentMode"`
}

func newACRUpdateCommand(env *Env) *cobra.Command {
	var opts registryUpdateOptions
	cmd := &cobra.Command{
		Use:   "update --name <registry> [flags]",
		Short: "Change how an Orlop registry is open, and print it",
		Long: `Change how an Orlop registry is open, and print it: the admin user, pulling
without signing in, and which roles give rights on content. With the mode rbac-abac
only the roles "Container Registry Repository ..." do.`,
		Example: examples(env, `
Let the admin user in:
  orlop acr update -n myregistry --admin-enabled true

Let everybody pull from one repository:
  orlop acr update -n myregistry --repository samples/app --anonymous-pull-enabled true`),
		Args: exactArgs(0, "the registry by --name"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return opts.manage(env, func(c *admin.Client) (any, error) { return opts.update(cmd.Context(), c) })
		},
	}
	useGroups(cmd, &opts.ofRegistry)
	fs := cmd.Flags()
	fs.Var(&opts.admin, "admin-enabled", "whether the admin user may sign in")
	fs.Var(&opts.anonymous, "anonymous-pull-enabled", "whether everybody may pull without signing in")
	fs.StringVar(&opts.roleMode, "role-assignment-mode", "", "rbac or rbac-abac")
	fs.StringVar(&opts.repository, "repository", "", "with --anonymous-pull-enabled: this repository only")
	return cmd
}

// roleModes are az's names of the modes.
var roleModes = map[string]string{"rbac": admin.ClassicRoles, "rbac-abac": admin.RepositoryRoles}

func (o *registryUpdateOptions) update(ctx context.Context, c *admin.Client) (any, error) {
	if _, known := roleModes[o.roleMode]; o.roleMode != "" && !known {
		return nil, usagef("--role-assignment-mode must be rbac or rbac-abac")
	}
	if o.repository != "" {
		return o.updateRepository(ctx, c)
	}
	if o.admin.value != nil {
		if _, err := c.SetAdminUser(ctx, *o.admin.value); err != nil {
			return nil, err
		}
	}
	if o.anonymous.value != nil {
		if _, err := c.SetAnonymousPull(ctx, *o.anonymous.value); err != nil {
			return nil, err
		}
	}
	if o.roleMode != "" {
		if _, err := c.SetRoleMode(ctx, roleModes[o.roleMode]); err != nil {
			return nil, err
		}
	}
	access, err := c.Access(ctx)
	if err != nil {
		return nil, err
	}
	u, err := c.AdminUser(ctx)
	return registryAccess{u.Enabled, access.AnonymousPull, access.RoleAssignmentMode}, err
}

func (o *registryUpdateOptions) updateRepository(ctx context.Context, c *admin.Client) (any, error) {
	if o.admin.value != nil || o.roleMode != "" || o.anonymous.value == nil {
		return nil, usagef("--repository goes with --anonymous-pull-enabled alone")
	}
	if err := c.SetRepositoryAnonymousPull(ctx, o.repository, *o.anonymous.value); err != nil {
		return nil, err
	}
	return admin.AnonymousPull{Enabled: o.anonymous.value}, nil
}
