package authz

import "strings"

// Grants is a compiled set of what a caller may do. It does not change once it
// is made and may be used concurrently; nil grants nothing.
type Grants struct {
	registry set            // on the registry itself
	all      set            // on every repository, also those to come
	exact    map[string]set // by name of repository
	under    map[string]set // by prefix, with its last slash: "samples/"
}

// add grants actions on the repositories of a pattern: "" or "*" (all), a name,
// or a prefix "samples/*".
func (g *Grants) add(pattern string, s set) {
	prefix, isPrefix := strings.CutSuffix(pattern, "*")
	switch {
	case pattern == "" || pattern == "*":
		g.all |= s & onRepository
	case isPrefix:
		grow(&g.under, prefix, s&onRepository)
	default:
		grow(&g.exact, pattern, s&onRepository)
	}
}

func grow(m *map[string]set, key string, s set) {
	if s == none {
		return
	}
	if *m == nil {
		*m = map[string]set{}
	}
	(*m)[key] |= s
}

// Allows tells whether the access is granted.
func (g *Grants) Allows(a Access) bool {
	if g == nil {
		return false
	}
	want := a.bit()
	if want == none {
		return false
	}
	if a.Type == TypeRegistry {
		return g.registry&want == want
	}
	return g.repository(a.Name)&want == want
}

// Empty tells whether nothing at all is granted.
func (g *Grants) Empty() bool {
	return g == nil || g.registry == none && g.all == none && len(g.exact) == 0 && len(g.under) == 0
}

// Sees tells whether a repository shows in lists: its metadata may be read, or
// its content.
func (g *Grants) Sees(repo string) bool {
	return g != nil && g.repository(repo)&(metadataRead|pull) != 0
}

// SeesAll tells whether Sees holds for every repository.
func (g *Grants) SeesAll() bool {
	return g != nil && g.all&(metadataRead|pull) != 0
}

// repository returns what is granted on a repository. A pattern gets what is
// granted on all that it can name.
func (g *Grants) repository(name string) set {
	s := g.all
	if name == "*" {
		return s
	}
	s |= g.exact[name]
	if len(g.under) == 0 {
		return s
	}
	for i := range len(name) {
		if name[i] == '/' {
			s |= g.under[name[:i+1]]
		}
	}
	return s
}
