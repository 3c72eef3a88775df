package authz

import (
	"slices"
	"strings"

	"github.com/orlop/orlop/ref"
)

// maxScopes is how many scopes are taken from one request; the rest is dropped.
const maxScopes = 128

// Scope is what a token is asked for or grants: actions on a resource. It is
// an element of the access claim of a token.
type Scope struct {
	Type    string   `json:"type"`
	Name    string   `json:"name"` // also "*" and "samples/*" in a repository scope
	Actions []Action `json:"actions"`
}

// String is the scope as it is written on the wire.
func (s Scope) String() string {
	var b strings.Builder
	b.WriteString(s.Type + ":" + s.Name + ":")
	for i, a := range s.Actions {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(string(a))
	}
	return b.String()
}

// ParseScopes reads the values of scope parameters, each of which may hold
// several scopes with blanks between. What it does not understand, it drops:
// clients ask for scopes that a registry need not know.
func ParseScopes(values ...string) []Scope {
	var out []Scope
	for _, v := range values {
		for s := range strings.FieldsSeq(v) {
			if len(out) == maxScopes {
				return out
			}
			if scope, ok := ParseScope(s); ok {
				out = append(out, scope)
			}
		}
	}
	return out
}

// ParseScope reads one scope, "repository:samples/app:pull,push". It is false
// for a type, a name or actions that it does not know; of several actions the
// known ones count.
func ParseScope(s string) (Scope, bool) {
	typ, rest, ok := strings.Cut(s, ":")
	colon := strings.LastIndexByte(rest, ':')
	if !ok || colon < 0 {
		return Scope{}, false
	}
	scope := Scope{Type: typ, Name: rest[:colon]}
	if typ == TypeRepository && scope.Name != "*" && !validPattern(scope.Name) {
		return Scope{}, false
	}
	for a := range strings.SplitSeq(rest[colon+1:], ",") {
		action := current(Action(a))
		if (Access{typ, scope.Name, action}).bit() != none && !slices.Contains(scope.Actions, action) {
			scope.Actions = append(scope.Actions, action)
		}
	}
	return scope, len(scope.Actions) > 0
}

// current is the present spelling of an action that old clients spell
// differently.
func current(a Action) Action {
	switch a {
	case "metadataRead":
		return MetadataRead
	case "metadataWrite":
		return MetadataWrite
	}
	return a
}

// validPattern tells whether p is the name of a repository, or a prefix of names
// that ends in "/*".
func validPattern(p string) bool {
	return ref.ValidateRepository(strings.TrimSuffix(p, "/*")) == nil
}

// ForScopes compiles the access list of a token. A token for lists sees what
// its principal sees.
func ForScopes(scopes []Scope) *Grants {
	g := &Grants{}
	for _, s := range scopes {
		for _, a := range s.Actions {
			access := Access{s.Type, s.Name, a}
			if s.Type == TypeRegistry {
				g.registry |= access.bit()
			} else if s.Name != "" {
				g.add(s.Name, access.bit())
			}
		}
	}
	return g
}

// Restrict returns those of the scopes, and of their actions, that are granted.
// A pattern keeps an action only if it is granted on everything the pattern can
// name.
func (g *Grants) Restrict(scopes []Scope) []Scope {
	var out []Scope
	for _, s := range scopes {
		kept := Scope{Type: s.Type, Name: s.Name}
		for _, a := range expand(s) {
			if g.Allows(Access{s.Type, s.Name, a}) {
				kept.Actions = append(kept.Actions, a)
			}
		}
		if len(kept.Actions) > 0 {
			out = append(out, kept)
		}
	}
	return out
}

// expand writes the "*" of a repository scope out.
func expand(s Scope) []Action {
	if s.Type == TypeRepository && slices.Contains(s.Actions, "*") {
		return repositoryActions
	}
	return s.Actions
}

// ScopesFor returns the scopes a client has to ask for to get the accesses:
// pushing asks for pulling too. Accesses to one resource share a scope.
func ScopesFor(want []Access) []Scope {
	var out []Scope
	for _, w := range want {
		i := slices.IndexFunc(out, func(s Scope) bool { return s.Type == w.Type && s.Name == w.Name })
		if i < 0 {
			i = len(out)
			out = append(out, Scope{Type: w.Type, Name: w.Name})
		}
		actions := []Action{w.Action}
		if w.Action == Push {
			actions = []Action{Pull, Push}
		}
		for _, a := range actions {
			if !slices.Contains(out[i].Actions, a) {
				out[i].Actions = append(out[i].Actions, a)
			}
		}
	}
	return out
}
