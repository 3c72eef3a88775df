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
	AcrPull     = "AcrPull"
	AcrPush     = "AcrPush"
	AcrDelete   = "AcrDelete"
	Reader      = "Reader"
	Contributor = "Contributor"
	Owner       = "Owner"
)

// roles is the table of what each role may do.
var roles = map[string]set{
	AcrPull:     pull | metadataRead | catalog,
	AcrPush:     pull | push | metadataRead | catalog,
	AcrDelete:   remove,
	Reader:      pull | metadataRead | deletedRead | catalog | deletedCatalog,
	Contributor: content | catalog | deletedCatalog,
	Owner:       content | catalog | deletedCatalog | manage,
}

// everywhere are the rights on the registry that a role gives only where it is
// assigned at the registry. Lists may be asked for by everyone who may see some
// repository; they show no others.
const everywhere = manage

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
	return nil
}

// ForRoles compiles role assignments. Roles it does not know grant nothing.
func ForRoles(assignments []meta.RoleAssignment) *Grants {
	g := &Grants{}
	for _, a := range assignments {
		s := roles[a.Role]
		g.add(a.Prefix, s)
		s &^= content
		if a.Prefix != "" {
			s &^= everywhere
		}
		g.registry |= s
	}
	return g
}

// PullOnly grants pulling from the repositories of the patterns: "" for all.
func PullOnly(patterns ...string) *Grants {
	g := &Grants{}
	for _, p := range patterns {
		g.add(p, pull)
	}
	return g
}
