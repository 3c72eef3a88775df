// Package authz decides who may do what: roles and scopes are compiled into
// Grants, and Grants answer yes or no without a query or an allocation. It
// knows no HTTP and no database.
//
// The words are those of the token scopes on the wire: an Access is one action
// on one resource, "repository:samples/app:pull".
package authz

// Action is what is done to a resource, as token scopes spell it.
type Action string

// Actions on a repository.
const (
	Pull           Action = "pull"
	Push           Action = "push"
	Delete         Action = "delete"
	MetadataRead   Action = "metadata_read"
	MetadataWrite  Action = "metadata_write"
	DeletedRead    Action = "deleted_read"
	DeletedRestore Action = "deleted_restore"
)

// Actions on a repository that "*" does not stand for, and that only some roles
// give.
const (
	// Sign is content trust, the signing of ACR before OCI signatures.
	Sign            Action = "sign"
	QuarantineRead  Action = "quarantine_read"
	QuarantineWrite Action = "quarantine_write"
)

// Actions on the registry.
const (
	// List lists repositories: registry:catalog:*. In a scope of a repository
	// it stands for every action.
	List Action = "*"
	// Manage changes what the name of the resource says: "principals" are
	// users, applications and roles, "tokens" are registry tokens, scope maps,
	// the admin user and anonymous pull, "settings" is the rest, "registries"
	// are all that the server hosts.
	Manage Action = "manage"
	// View looks at "settings".
	View Action = "view"
)

// Types of resources.
const (
	TypeRepository = "repository"
	TypeRegistry   = "registry"
)

// Access is one action on one resource.
type Access struct {
	Type   string // TypeRepository or TypeRegistry
	Name   string // of the repository; "catalog", "deleted_catalog", "principals", "tokens", "settings" or "registries" of the registry
	Action Action
}

// Repository is an action on a repository.
func Repository(name string, a Action) Access { return Access{TypeRepository, name, a} }

// Registry is an action on the registry.
func Registry(name string, a Action) Access { return Access{TypeRegistry, name, a} }

// set is a set of actions.
type set uint32

const (
	pull set = 1 << iota
	push
	remove
	metadataRead
	metadataWrite
	deletedRead
	deletedRestore
	sign
	quarantineRead
	quarantineWrite
	catalog
	deletedCatalog
	managePrincipals
	manageTokens
	manageSettings
	viewSettings
	manageRegistries

	none set = 0
	// content is what "*" on a repository stands for.
	content = pull | push | remove | metadataRead | metadataWrite | deletedRead | deletedRestore
	// onRepository is every action on a repository.
	onRepository = content | sign | quarantineRead | quarantineWrite
	lists        = catalog | deletedCatalog
)

// bit is the action as an element of a set; none if it is unknown.
func (a Access) bit() set {
	switch a.Type {
	case TypeRepository:
		return repositoryBit(a.Action)
	case TypeRegistry:
		return registryBits[registryAction{a.Name, a.Action}]
	}
	return none
}

type registryAction struct {
	name   string
	action Action
}

var registryBits = map[registryAction]set{
	{"catalog", List}:         catalog,
	{"deleted_catalog", List}: deletedCatalog,
	{"principals", Manage}:    managePrincipals,
	{"tokens", Manage}:        manageTokens,
	{"settings", Manage}:      manageSettings,
	{"settings", View}:        viewSettings,
	{"registries", Manage}:    manageRegistries,
}

func repositoryBit(a Action) set {
	switch a {
	case Pull:
		return pull
	case Push:
		return push
	case Delete:
		return remove
	case MetadataRead:
		return metadataRead
	case MetadataWrite:
		return metadataWrite
	case DeletedRead:
		return deletedRead
	case DeletedRestore:
		return deletedRestore
	case Sign:
		return sign
	case QuarantineRead:
		return quarantineRead
	case QuarantineWrite:
		return quarantineWrite
	case List:
		return content
	}
	return none
}

// repositoryActions in the order in which scopes list them.
var repositoryActions = []Action{Pull, Push, Delete, MetadataRead, MetadataWrite, DeletedRead, DeletedRestore}
