// Package admin is the management API as seen from outside: the JSON it speaks
// and a client for it. The server's side is package adminapi.
package admin

import "time"

// Prefix is the path under which the API is served.
const Prefix = "/api/v1/"

// Scopes are what a token is asked for to call the API: a caller gets those it
// may have, and each operation needs one of them.
var Scopes = []string{"registry:principals:manage", "registry:tokens:manage", "registry:settings:manage,view", "registry:registries:manage"}

// NewServicePrincipal is the body of POST service-principals.
type NewServicePrincipal struct {
	Name string `json:"name"` // for people
	// Roles are AcrPull, AcrPush, …; one or more.
	Roles []string `json:"roles"`
	// Repositories are names, or prefixes such as "samples/*". Without any the
	// roles are for the whole registry.
	Repositories []string `json:"repositories,omitempty"`
}

// Credential is a secret, shown once: the answer to the creation of a service
// principal and to the reset of its credential. Its JSON is that of "az ad sp
// create-for-rbac".
type Credential struct {
	AppID       string `json:"appId"` // the user name to sign in with
	DisplayName string `json:"displayName"`
	Password    string `json:"password"`
	Tenant      string `json:"tenant"`
}

// ServicePrincipal is an application that can sign in.
type ServicePrincipal struct {
	AppID       string    `json:"appId"`
	DisplayName string    `json:"displayName"`
	Created     time.Time `json:"createdDateTime"`
	Enabled     bool      `json:"accountEnabled"`
	Roles       []Role    `json:"roles"`
}

// NewSecret is the body of POST service-principals/{id}/credential. The zero
// value is a secret without an end in place of all others.
type NewSecret struct {
	DisplayName string     `json:"displayName,omitempty"`
	End         *time.Time `json:"endDateTime,omitempty"`
	Append      bool       `json:"append,omitempty"` // keep the others
}

// Role is a role given at the registry, or at the repositories of a name or
// prefix.
type Role struct {
	Role       string `json:"role"`
	Repository string `json:"repository,omitempty"` // "" for the registry
}

// ServicePrincipals is a page of a list, by application id. The next page is
// that of ?last=APPID.
type ServicePrincipals struct {
	ServicePrincipals []ServicePrincipal `json:"servicePrincipals"`
	More              bool               `json:"more"`
}

// NewUser is the body of POST users.
type NewUser struct {
	Name string `json:"name"` // to sign in with
	// Password is generated if it is empty.
	Password string `json:"password,omitempty"`
	// Roles and Repositories are as in NewServicePrincipal.
	Roles        []string `json:"roles"`
	Repositories []string `json:"repositories,omitempty"`
}

// NewPassword is the body of POST users/{name}/password.
type NewPassword struct {
	Password string `json:"password,omitempty"` // generated if it is empty
}

// UserCredential is the answer to the creation of a user and to a new password.
type UserCredential struct {
	Name     string `json:"name"`
	Password string `json:"password,omitempty"` // if it was generated; shown once
}

// User is a person who can sign in.
type User struct {
	ID      string    `json:"id"`
	Name    string    `json:"name"`
	Created time.Time `json:"createdDateTime"`
	Enabled bool      `json:"accountEnabled"`
	Roles   []Role    `json:"roles"`
}

// Users is a page of a list, by name. The next page is that of ?last=NAME.
type Users struct {
	Users []User `json:"users"`
	More  bool   `json:"more"`
}
