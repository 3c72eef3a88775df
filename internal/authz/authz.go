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

// Actions on the registry.
const (
	// List lists repositories: registry:catalog:*. In a scope of a repository
	// it stands for every action.
	List Action = "*"
	// Manage changes principals and their roles: registry:principals:manage.
	Manage Action = "manage"
)

// Types of resources.
const (
	TypeRepository = "repository"
	TypeRegistry   = "registry"
)

// Access is one action on one resource.
type Access struct {
	Type   string // TypeRepository or TypeRegistry
	Name   string // of the repository; "catalog", "deleted_catalog" or "principals" of the registry
	Action Action
}

// Repository is an action on a repository.
func Repository(name string, a Action) Access { return Access{TypeRepository, name, a} }

// Registry is an action on the registry.
func Registry(name string, a Action) Access { return Access{TypeRegistry, name, a} }

// set is a set of actions.
type set uint16

const (
	pull set = 1 << iota
	push
	remove
	metadataRead
	metadataWrite
	deletedRead
	deletedRestore
	catalog
	deletedCatalog
	manage

	none set = 0
	// content is every action on a repository.
	content = pull | push | remove | metadataRead | metadataWrite | deletedRead | deletedRestore
)

// bit is the action as an element of a set; none if it is unknown.
func (a Access) bit() set {
	if a.Type == TypeRepository {
		return repositoryBit(a.Action)
	}
	if a.Type != TypeRegistry {
		return none
	}
	switch {
	case a.Name == "catalog" && a.Action == List:
		return catalog
	case a.Name == "deleted_catalog" && a.Action == List:
		return deletedCatalog
	case a.Name == "principals" && a.Action == Manage:
		return manage
	}
	return none
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
	case List:
		return content
	}
	return none
}

// repositoryActions in the order in which scopes list them.
var repositoryActions = []Action{Pull, Push, Delete, MetadataRead, MetadataWrite, DeletedRead, DeletedRestore}
