package auth

import (
	"context"
	"maps"
	"slices"
	"strings"
)

// CatalogScope is the scope to list the repositories of a registry.
const CatalogScope = "registry:catalog:*"

// Scope returns the scope of actions on a repository, as in
// "repository:samples/artifact:pull,push".
func Scope(repo string, actions ...string) string {
	return "repository:" + repo + ":" + strings.Join(actions, ",")
}

// scopeKey carries the scopes that a context asks for.
type scopeKey struct{ registry string }

// WithScopes returns a context whose requests to registry (host[:port] as the
// registry was opened) ask for a token of these scopes beside their own. A
// command that will push says so before its first read, and gets by with one
// token for both.
func WithScopes(ctx context.Context, registry string, scopes ...string) context.Context {
	all := slices.Concat(scopesOf(ctx, registry), scopes)
	return context.WithValue(ctx, scopeKey{registry}, all)
}

func scopesOf(ctx context.Context, registry string) []string {
	scopes, _ := ctx.Value(scopeKey{registry}).([]string)
	return scopes
}

// scopeSet is a set of actions for each resource, where a resource is a type
// and a name: "repository:samples/artifact".
type scopeSet map[string]map[string]bool

// newScopeSet reads scopes. One string may hold several, with blanks between
// them, as challenges do.
func newScopeSet(scopes ...string) scopeSet {
	set := scopeSet{}
	for _, s := range scopes {
		for one := range strings.FieldsSeq(s) {
			set.add(one)
		}
	}
	return set
}

func (s scopeSet) add(scope string) {
	resource, actions := scope, ""
	if i := strings.LastIndexByte(scope, ':'); i >= 0 {
		resource, actions = scope[:i], scope[i+1:]
	}
	if s[resource] == nil {
		s[resource] = map[string]bool{}
	}
	for action := range strings.SplitSeq(actions, ",") {
		s[resource][action] = true
	}
}

// covers tells whether everything in want is in s.
func (s scopeSet) covers(want scopeSet) bool {
	for resource, actions := range want {
		have := s[resource]
		for action := range actions {
			if !have[action] && !have["*"] {
				return false
			}
		}
	}
	return true
}

// strings returns the scopes in order, the same for equal sets.
func (s scopeSet) strings() []string {
	var all []string
	for _, resource := range slices.Sorted(maps.Keys(s)) {
		actions := slices.Sorted(maps.Keys(s[resource]))
		if s[resource]["*"] {
			actions = []string{"*"}
		}
		all = append(all, strings.TrimSuffix(resource+":"+strings.Join(actions, ","), ":"))
	}
	return all
}

func (s scopeSet) key() string { return strings.Join(s.strings(), " ") }
