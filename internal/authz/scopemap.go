package authz

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
)

// MaxActions is how many actions a scope map may have.
const MaxActions = 500

// scopeMapRights are what the actions of a scope map give on a repository.
var scopeMapRights = []struct {
	suffix string
	set    set
}{
	{"/content/read", pull},
	{"/content/write", push},
	{"/content/delete", remove},
	{"/metadata/read", metadataRead},
	{"/metadata/write", metadataWrite},
}

// builtinScopeMaps are those that every registry has.
var builtinScopeMaps = []struct {
	name, description string
	rights            []string
}{
	{"_repositories_admin", "Can perform all read, write and delete operations on the registry",
		[]string{"content/read", "content/write", "content/delete", "metadata/read", "metadata/write"}},
	{"_repositories_pull", "Can pull any repository of the registry", []string{"content/read"}},
	{"_repositories_pull_metadata_read", "Can pull any repository of the registry and read its metadata",
		[]string{"content/read", "metadata/read"}},
	{"_repositories_push", "Can push to any repository of the registry", []string{"content/read", "content/write"}},
	{"_repositories_push_metadata_write", "Can push to any repository of the registry and change its metadata",
		[]string{"content/read", "content/write", "metadata/read", "metadata/write"}},
}

// BuiltinScopeMap is a scope map that every registry has.
type BuiltinScopeMap struct {
	Name, Description string
	Actions           []string
}

// BuiltinScopeMaps returns the scope maps that every registry has, by name.
func BuiltinScopeMaps() []BuiltinScopeMap {
	var out []BuiltinScopeMap
	for _, m := range builtinScopeMaps {
		b := BuiltinScopeMap{Name: m.name, Description: m.description}
		for _, r := range m.rights {
			b.Actions = append(b.Actions, "repositories/*/"+r)
		}
		out = append(out, b)
	}
	return out
}

// IsBuiltinScopeMap tells whether a name is kept for scope maps that every
// registry has.
func IsBuiltinScopeMap(name string) bool { return strings.HasPrefix(name, "_") }

// CheckScopeMapAction tells what is wrong with an action of a scope map, which
// is "repositories/R/content/read" and the like, where R is a name, a prefix
// "samples/*", or "*".
func CheckScopeMapAction(action string) error {
	if _, _, ok := parseScopeMapAction(action); !ok {
		return fmt.Errorf("invalid action %q: use repositories/NAME/RIGHT, where NAME is a repository, a prefix that ends in /*, or *, "+
			"and RIGHT is content/read, content/write, content/delete, metadata/read or metadata/write", action)
	}
	return nil
}

// ChangeActions adds actions to those of a scope map and takes some away. What
// is left has each once, in the order in which they came. The error is for whoever
// wrote them.
func ChangeActions(actions, add, remove []string) ([]string, error) {
	for _, action := range slices.Concat(add, remove) {
		if err := CheckScopeMapAction(action); err != nil {
			return nil, err
		}
	}
	out := slices.DeleteFunc(slices.Clone(actions), func(a string) bool { return slices.Contains(remove, a) })
	for _, action := range add {
		if !slices.Contains(out, action) {
			out = append(out, action)
		}
	}
	if len(out) == 0 || len(out) > MaxActions {
		return nil, fmt.Errorf("a scope map has 1 to %d actions", MaxActions)
	}
	return out, nil
}

// maxDescription is the longest description of a scope map, in bytes.
const maxDescription = 256

// CheckDescription tells what is wrong with the description of a scope map.
func CheckDescription(s string) error {
	switch {
	case len(s) > maxDescription:
		return fmt.Errorf("a description has at most %d bytes", maxDescription)
	case strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }):
		return fmt.Errorf("a description must be printable")
	}
	return nil
}

func parseScopeMapAction(action string) (pattern string, s set, ok bool) {
	rest, ok := strings.CutPrefix(action, "repositories/")
	if !ok {
		return "", none, false
	}
	for _, r := range scopeMapRights {
		if name, ok := strings.CutSuffix(rest, r.suffix); ok {
			return name, r.set, name == "*" || validPattern(name)
		}
	}
	return "", none, false
}

// ForScopeMap compiles a scope map: a stored one by its actions, one that every
// registry has by its name. Actions it does not understand grant nothing.
func ForScopeMap(name string, actions []string) *Grants {
	if IsBuiltinScopeMap(name) {
		actions = nil
		for _, b := range BuiltinScopeMaps() {
			if b.Name == name {
				actions = b.Actions
			}
		}
	}
	g := &Grants{}
	for _, a := range actions {
		if pattern, s, ok := parseScopeMapAction(a); ok {
			g.add(pattern, s)
		}
	}
	return g
}
