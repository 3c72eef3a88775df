package meta

import "time"

// Kind is the kind of a principal.
type Kind string

// Kinds of principals.
const (
	KindAdmin            Kind = "admin" // the owner that the first start makes
	KindUser             Kind = "user"
	KindServicePrincipal Kind = "service-principal"
	KindToken            Kind = "token"      // what it may do is told by its scope map
	KindAdminUser        Kind = "admin-user" // the account with two passwords that ACR calls so
	KindFederated        Kind = "federated"  // known to an issuer of tokens, not to us; never stored
)

// Principal is an identity that can sign in, with its secrets and roles.
type Principal struct {
	ID          string // UUID; the application id of a service principal
	Registry    int64
	Kind        Kind
	Name        string // sign-in name: "admin", a user's name, or the ID of a service principal
	DisplayName string
	Disabled    bool
	Created     time.Time
	Secrets     []Secret
	Roles       []RoleAssignment
	ScopeMap    string // of a token

	// What a read adds: actions of the scope map, if it is a stored one, the
	// mode of the registry, and that the principal is in a registry as an owner
	// of the server. They are not written.
	Actions         []string
	RepositoryRoles bool
	OwnsServer      bool
}

// Secret is a password of a principal, as a hash.
type Secret struct {
	ID      string // UUID
	Name    string // "password1", or what the user called it
	Hash    []byte // see authn: SHA-256 of a generated secret, or argon2id of a human's
	Created time.Time
	Expires time.Time // zero: never
}

// RoleAssignment gives a role at the registry (Prefix "") or at repositories:
// an exact name, or a prefix that ends in "/*" ("samples/*").
type RoleAssignment struct {
	Role   string
	Prefix string
}

// ScopeMap is a named list of what tokens may do: "repositories/R/content/read".
type ScopeMap struct {
	Registry    int64
	Name        string
	Description string
	Actions     []string
	Created     time.Time
}

// Access is how a registry is open to its callers, and what it keeps.
type Access struct {
	Name          string // of the registry
	AnonymousPull bool   // from every repository
	// RepositoryRoles: only the repository-scoped roles give rights on content.
	// ACR calls it AbacRepositoryPermissions.
	RepositoryRoles bool
	// DataTokensOnly: tokens of the management plane get tokens of the registry
	// only if they are for its data. ACR calls the opposite
	// azureADAuthenticationAsArmPolicy.
	DataTokensOnly bool
	SoftDelete     Policy // how long what was deleted can be restored
	Retention      Policy // how long manifests stay that have lost their last tag
}

// Policy is a switch with a number of days. The zero value is for one that was
// never set.
type Policy struct {
	Set     bool
	Enabled bool
	Days    int
}
