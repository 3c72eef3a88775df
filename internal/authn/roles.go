package authn

import (
	"context"
	"errors"
	"slices"

	"github.com/orlop/orlop/internal/authz"
	"github.com/orlop/orlop/internal/meta"
)

// Errors of assigning roles.
var (
	// ErrNoAssignment: the principal has no such role there.
	ErrNoAssignment = errors.New("no such role assignment")
	// ErrNoRoles: the rights of the principal do not come of roles.
	ErrNoRoles = errors.New("tokens and the admin user have no roles")
	// ErrTooManyRoles: the principal has as many roles as it may have.
	ErrTooManyRoles = errors.New("at most 1000 role assignments")
	// ErrLastOwner: nobody would be left who may give roles.
	ErrLastOwner = errors.New("the user admin stays Owner of the registry")
)

const maxAssignments = 1000

// Assignee returns the user or the service principal of a sign-in name;
// ErrNoPrincipal if there is none, ErrNoRoles if its rights come of something
// else.
func (a *Authenticator) Assignee(ctx context.Context, registry int64, name string) (meta.Principal, error) {
	p, ok, err := a.store.PrincipalNamed(ctx, registry, name)
	switch {
	case err != nil:
		return p, err
	case !ok:
		return p, ErrNoPrincipal
	case p.Kind == meta.KindToken || p.Kind == meta.KindAdminUser:
		return p, ErrNoRoles
	}
	return p, nil
}

// Assign gives a role, which counts from the next request. To give it again is
// no error. The assignment must be one that authz.CheckAssignment takes.
func (a *Authenticator) Assign(ctx context.Context, registry int64, name string, role meta.RoleAssignment) error {
	p, err := a.Assignee(ctx, registry, name)
	if err != nil {
		return err
	}
	return a.edit(ctx, registry, p.ID, func(p *meta.Principal) error {
		if slices.Contains(p.Roles, role) {
			return nil
		}
		if len(p.Roles) >= maxAssignments {
			return ErrTooManyRoles
		}
		p.Roles = append(p.Roles, role)
		return nil
	})
}

// Unassign takes a role away, from the next request on. ErrNoAssignment.
func (a *Authenticator) Unassign(ctx context.Context, registry int64, name string, role meta.RoleAssignment) error {
	p, err := a.Assignee(ctx, registry, name)
	if err != nil {
		return err
	}
	return a.edit(ctx, registry, p.ID, func(p *meta.Principal) error {
		i := slices.Index(p.Roles, role)
		switch {
		case i < 0:
			return ErrNoAssignment
		case p.Kind == meta.KindAdmin && role.Prefix == "" && role.Role == authz.Owner:
			return ErrLastOwner
		}
		p.Roles = slices.Delete(p.Roles, i, i+1)
		return nil
	})
}
