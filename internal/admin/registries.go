package admin

import (
	"context"
	"net/http"
	"net/url"
	"time"
)

// Registry is a registry of the server. Its JSON has the names of "az acr show".
type Registry struct {
	Name               string    `json:"name"`
	LoginServer        string    `json:"loginServer"` // HOST[:PORT]; "" if no host leads to it
	Created            time.Time `json:"creationDate"`
	AdminUserEnabled   bool      `json:"adminUserEnabled"`
	AnonymousPull      bool      `json:"anonymousPullEnabled"`
	RoleAssignmentMode string    `json:"roleAssignmentMode"`
}

// Registries is a list, by name.
type Registries struct {
	Registries []Registry `json:"registries"`
}

// NewRegistry is the body of POST registries.
type NewRegistry struct {
	Name             string `json:"name"`
	AdminUserEnabled bool   `json:"adminUserEnabled,omitempty"`
}

// Registry describes the registry that is asked.
func (c *Client) Registry(ctx context.Context) (Registry, error) {
	var out Registry
	err := c.call(ctx, http.MethodGet, "registry", nil, &out)
	return out, err
}

// Registries lists the registries of the server that the caller may find.
func (c *Client) Registries(ctx context.Context) ([]Registry, error) {
	var out Registries
	err := c.call(ctx, http.MethodGet, "registries", nil, &out)
	return out.Registries, err
}

// CreateRegistry makes an empty registry.
func (c *Client) CreateRegistry(ctx context.Context, r NewRegistry) (Registry, error) {
	var out Registry
	err := c.call(ctx, http.MethodPost, "registries", r, &out)
	return out, err
}

// DeleteRegistry deletes a registry with everything in it, for good.
func (c *Client) DeleteRegistry(ctx context.Context, name string) error {
	return c.call(ctx, http.MethodDelete, "registries/"+url.PathEscape(name), nil, nil)
}
