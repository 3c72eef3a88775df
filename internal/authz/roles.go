package authz

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/orlop/orlop/internal/meta"
)

// Names of roles, as Azure spells them.
const (
	AcrPull             = "AcrPull"
	AcrPush             = "AcrPush"
	AcrDelete           = "AcrDelete"
	AcrImageSigner      = "AcrImageSigner"
	AcrQuarantineReader = "AcrQuarantineReader"
	AcrQuarantineWriter = "AcrQuarantineWriter"
	Reader              = "Reader"
	Contributor         = "Contributor"
	Owner               = "Owner"

	RepositoryReader        = "Container Registry Repository Reader"
	RepositoryWriter        = "Container Registry Repository Writer"
	RepositoryContributor   = "Container Registry Repository Contributor"
	RepositoryCatalogLister = "Container Registry Repository Catalog Lister"
)

// role is what a role may do in each of the two modes of a registry.
type role struct {
	classic set
	// repository is for the mode in which only the repository-scoped roles give
	// rights on content (AbacRepositoryPermissions).
	repository set
}

const (
	quarantine = quarantineRead | quarantineWrite
	settings   = manageSettings | viewSettings
)

// roles is the table of what each role may do.
var roles = map[string]role{
	AcrPull:             {classic: pull | metadataRead | catalog},
	AcrPush:             {classic: pull | push | metadataRead | catalog},
	AcrDelete:           {classic: remove},
	AcrImageSigner:      {classic: sign, repository: sign},
	AcrQuarantineReader: {classic: quarantineRead, repository: quarantineRead},
	AcrQuarantineWriter: {classic: quarantine, repository: quarantine},
	Reader: {
		classic:    pull | metadataRead | deletedRead | quarantineRead | lists | viewSettings,
		repository: viewSettings,
	},
	// Where it may not read content, a Contributor must not make a token that
	// may.
	Contributor: {
		classic:    onRepository | lists | manageTokens | settings,
		repository: settings,
	},
	Owner: {
		classic:    onRepository | lists | managePrincipals | manageTokens | settings,
		repository: managePrincipals | manageTokens | settings,
	},
	RepositoryReader:        {repository: pull | metadataRead},
	RepositoryWriter:        {repository: pull | metadataRead | push | metadataWrite},
	RepositoryContributor:   {repository: content},
	RepositoryCatalogLister: {repository: catalog},
}

// everywhere are the rights on the registry that a role gives only where it is
// assigned at the registry. Lists may be asked for by everyone who may see some
// repository; they show no others.
const everywhere = managePrincipals | manageTokens | settings

// Roles returns the names of all roles, sorted.
func Roles() []string { return slices.Sorted(maps.Keys(roles)) }

// CheckAssignment tells what is wrong with a role assignment: an unknown role,
// or a prefix that is neither empty, a name, nor a prefix that ends in "/*".
func CheckAssignment(a meta.RoleAssignment) error {
	if _, ok := roles[a.Role]; !ok {
		return fmt.Errorf("unknown role %q: use one of %s", a.Role, strings.Join(Roles(), ", "))
	}
	if a.Prefix != "" && !validPattern(a.Prefix) {
		return fmt.Errorf("invalid repository %q: use a name, or a prefix that ends in /*", a.Prefix)
	}
	if a.Prefix != "" && a.Role == RepositoryCatalogLister {
		return fmt.Errorf("role %q is for the whole registry", a.Role)
	}
	return nil
}

// ForRoles compiles role assignments in the mode of the registry: with
// repositoryRoles only the repository-scoped roles give rights on content.
// Roles it does not know grant nothing.
func ForRoles(assignments []meta.RoleAssignment, repositoryRoles bool) *Grants {
	g := &Grants{}
	for _, a := range assignments {
		s := roles[a.Role].classic
		if repositoryRoles {
			s = roles[a.Role].repository
		}
		if s == none {
			continue
		}
		g.add(a.Prefix, s)
		s &^= onRepository
		if a.Prefix != "" {
			s &^= everywhere
		}
		g.registry |= s
	}
	return g
}

// OwningServer adds to what an Owner is granted the right to make and delete
// registries.
func OwningServer(g *Grants) *Grants {
	owner := *g
	owner.registry |= manageRegistries
	return &owner
}

// AllContent grants every action on every repository, and nothing else: what
// the admin user of ACR may do.
func AllContent() *Grants { return &Grants{registry: lists, all: content} }

// PullOnly grants pulling from the repositories of the patterns: "" for all.
func PullOnly(patterns ...string) *Grants {
	g := &Grants{}
	for _, p := range patterns {
		g.add(p, pull)
	}
	return g
}
