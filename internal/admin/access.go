package admin

import (
	"context"
	"net/http"
	"net/url"
)

// AdminUser is the account that ACR calls the admin user: two passwords that
// managers of the registry can look at.
type AdminUser struct {
	Username  string          `json:"username"`
	Enabled   bool            `json:"enabled"`
	Passwords []AdminPassword `json:"passwords"`
}

// AdminPassword is a password of the admin user: password or password2.
type AdminPassword struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// Enablement is the body of PATCH admin-user, users/{name} and
// service-principals/{id}.
type Enablement struct {
	Enabled *bool `json:"enabled"` // required
}

// Values of Access.RoleAssignmentMode, those of ACR.
const (
	// ClassicRoles: AcrPull, Reader and the like give rights on content.
	ClassicRoles = "LegacyRegistryPermissions"
	// RepositoryRoles: only the repository-scoped roles do.
	RepositoryRoles = "AbacRepositoryPermissions"
)

// Access tells how a registry is open.
type Access struct {
	AnonymousPull      bool   `json:"anonymousPullEnabled"`
	RoleAssignmentMode string `json:"roleAssignmentMode"`
}

// AnonymousPull is the body of PATCH access and access/repositories/{name}, and
// the answer of the latter.
type AnonymousPull struct {
	Enabled *bool `json:"anonymousPullEnabled"` // required
}

// RoleMode is the body of PUT access/role-mode.
type RoleMode struct {
	RoleAssignmentMode string `json:"roleAssignmentMode"`
}

// RoleAssignment gives a role to a user or a service principal.
type RoleAssignment struct {
	Assignee   string `json:"assignee"` // sign-in name
	Role       string `json:"role"`
	Repository string `json:"repository,omitempty"` // "" for the registry
}

// RoleAssignments is a list, by role and repository.
type RoleAssignments struct {
	RoleAssignments []RoleAssignment `json:"roleAssignments"`
}

// Secret is what is known of a secret of a service principal.
type Secret struct {
	KeyID       string `json:"keyId"`
	DisplayName string `json:"displayName"`
	Start       string `json:"startDateTime"`         // RFC 3339
	End         string `json:"endDateTime,omitempty"` // RFC 3339; "": never
}

// Secrets are the secrets of a service principal.
type Secrets struct {
	Secrets []Secret `json:"secrets"`
}

// AdminUser returns the admin user with its passwords.
func (c *Client) AdminUser(ctx context.Context) (AdminUser, error) {
	var out AdminUser
	err := c.call(ctx, http.MethodGet, "admin-user", nil, &out)
	return out, err
}

// SetAdminUser enables or disables the admin user.
func (c *Client) SetAdminUser(ctx context.Context, enabled bool) (AdminUser, error) {
	var out AdminUser
	err := c.call(ctx, http.MethodPatch, "admin-user", Enablement{&enabled}, &out)
	return out, err
}

// RenewAdminPassword replaces a password of the admin user, password or
// password2.
func (c *Client) RenewAdminPassword(ctx context.Context, name string) (AdminUser, error) {
	var out AdminUser
	err := c.call(ctx, http.MethodPost, "admin-user/credentials/"+url.PathEscape(name), nil, &out)
	return out, err
}

// Access tells how the registry is open.
func (c *Client) Access(ctx context.Context) (Access, error) {
	var out Access
	err := c.call(ctx, http.MethodGet, "access", nil, &out)
	return out, err
}

// SetAnonymousPull lets anybody pull from every repository, or not.
func (c *Client) SetAnonymousPull(ctx context.Context, enabled bool) (Access, error) {
	var out Access
	err := c.call(ctx, http.MethodPatch, "access", AnonymousPull{&enabled}, &out)
	return out, err
}

// SetRoleMode changes which roles give rights on content.
func (c *Client) SetRoleMode(ctx context.Context, mode string) (Access, error) {
	var out Access
	err := c.call(ctx, http.MethodPut, "access/role-mode", RoleMode{mode}, &out)
	return out, err
}

// RepositoryAnonymousPull tells whether anybody may pull from a repository by
// its own setting.
func (c *Client) RepositoryAnonymousPull(ctx context.Context, repo string) (bool, error) {
	var out AnonymousPull
	err := c.call(ctx, http.MethodGet, "access/repositories/"+repo, nil, &out)
	return out.Enabled != nil && *out.Enabled, err
}

// SetRepositoryAnonymousPull lets anybody pull from a repository, or not.
func (c *Client) SetRepositoryAnonymousPull(ctx context.Context, repo string, enabled bool) error {
	return c.call(ctx, http.MethodPatch, "access/repositories/"+repo, AnonymousPull{&enabled}, nil)
}

// RoleAssignments lists the roles of a user or a service principal.
func (c *Client) RoleAssignments(ctx context.Context, assignee string) ([]RoleAssignment, error) {
	var out RoleAssignments
	err := c.call(ctx, http.MethodGet, "role-assignments?assignee="+url.QueryEscape(assignee), nil, &out)
	return out.RoleAssignments, err
}

// Assign gives a role, which counts from the next request.
func (c *Client) Assign(ctx context.Context, a RoleAssignment) error {
	return c.call(ctx, http.MethodPost, "role-assignments", a, nil)
}

// Unassign takes a role away, from the next request on.
func (c *Client) Unassign(ctx context.Context, a RoleAssignment) error {
	q := url.Values{"assignee": {a.Assignee}, "role": {a.Role}}
	if a.Repository != "" {
		q.Set("repository", a.Repository)
	}
	return c.call(ctx, http.MethodDelete, "role-assignments?"+q.Encode(), nil, nil)
}

// SetUser enables or disables a user.
func (c *Client) SetUser(ctx context.Context, name string, enabled bool) error {
	return c.call(ctx, http.MethodPatch, "users/"+url.PathEscape(name), Enablement{&enabled}, nil)
}

// SetServicePrincipal enables or disables a service principal.
func (c *Client) SetServicePrincipal(ctx context.Context, appID string, enabled bool) error {
	return c.call(ctx, http.MethodPatch, "service-principals/"+url.PathEscape(appID), Enablement{&enabled}, nil)
}

// ServicePrincipalSecrets lists what is known of the secrets.
func (c *Client) ServicePrincipalSecrets(ctx context.Context, appID string) ([]Secret, error) {
	var out Secrets
	err := c.call(ctx, http.MethodGet, "service-principals/"+url.PathEscape(appID)+"/credential", nil, &out)
	return out.Secrets, err
}

// DeleteServicePrincipalSecret takes a secret away by its key id.
func (c *Client) DeleteServicePrincipalSecret(ctx context.Context, appID, keyID string) error {
	return c.call(ctx, http.MethodDelete, "service-principals/"+url.PathEscape(appID)+"/credential/"+url.PathEscape(keyID), nil, nil)
}
