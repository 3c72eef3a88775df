package authn

import (
	"context"
	"errors"

	"github.com/orlop/orlop/internal/authz"
	"github.com/orlop/orlop/internal/meta"
)

// Errors of scope maps.
var (
	// ErrNoScopeMap: there is no such scope map.
	ErrNoScopeMap = errors.New("no such scope map")
	// ErrScopeMapUsed: a token has the scope map.
	ErrScopeMapUsed = errors.New("a token has this scope map")
	// ErrBuiltinScopeMap: the scope map is one that every registry has.
	ErrBuiltinScopeMap = errors.New("a scope map whose name begins with _ cannot be changed")
)

// ScopeMap returns a scope map, also one that every registry has.
// ErrNoScopeMap.
func (a *Authenticator) ScopeMap(ctx context.Context, registry int64, name string) (meta.ScopeMap, error) {
	for _, b := range builtinScopeMaps(registry) {
		if b.Name == name {
			return b, nil
		}
	}
	m, ok, err := a.store.ScopeMap(ctx, registry, name)
	if err == nil && !ok {
		err = ErrNoScopeMap
	}
	return m, err
}

func builtinScopeMaps(registry int64) []meta.ScopeMap {
	var out []meta.ScopeMap
	for _, b := range authz.BuiltinScopeMaps() {
		out = append(out, meta.ScopeMap{Registry: registry, Name: b.Name, Description: b.Description, Actions: b.Actions})
	}
	return out
}

// ScopeMaps lists at most n scope maps after a name, by name; those that every
// registry has come last.
func (a *Authenticator) ScopeMaps(ctx context.Context, registry int64, after string, n int) ([]meta.ScopeMap, error) {
	var out []meta.ScopeMap
	if !authz.IsBuiltinScopeMap(after) {
		var err error
		if out, err = a.store.ScopeMaps(ctx, registry, after, n); err != nil {
			return nil, err
		}
		after = ""
	}
	for _, b := range builtinScopeMaps(registry) {
		if len(out) < n && b.Name > after {
			out = append(out, b)
		}
	}
	return out, nil
}

// CreateScopeMap makes a scope map of actions that authz.CheckScopeMapAction
// takes. ErrTokenName, ErrNameTaken.
func (a *Authenticator) CreateScopeMap(ctx context.Context, m meta.ScopeMap) (meta.ScopeMap, error) {
	if !tokenName.MatchString(m.Name) {
		return m, ErrTokenName
	}
	m.Created = a.now()
	ok, err := a.store.CreateScopeMap(ctx, m)
	if err == nil && !ok {
		err = ErrNameTaken
	}
	return m, err
}

// EditScopeMap changes a scope map; what its tokens may do changes with the next
// request. ErrNoScopeMap, ErrBuiltinScopeMap.
func (a *Authenticator) EditScopeMap(ctx context.Context, registry int64, name string, edit func(*meta.ScopeMap) error) error {
	if authz.IsBuiltinScopeMap(name) {
		return ErrBuiltinScopeMap
	}
	ok, err := a.store.EditScopeMap(ctx, registry, name, edit)
	a.people.allChanged()
	if err == nil && !ok {
		err = ErrNoScopeMap
	}
	return err
}

// DeleteScopeMap removes a scope map that no token has. ErrNoScopeMap,
// ErrScopeMapUsed, ErrBuiltinScopeMap.
func (a *Authenticator) DeleteScopeMap(ctx context.Context, registry int64, name string) error {
	if authz.IsBuiltinScopeMap(name) {
		return ErrBuiltinScopeMap
	}
	deleted, used, err := a.store.DeleteScopeMap(ctx, registry, name)
	switch {
	case err != nil:
		return err
	case used:
		return ErrScopeMapUsed
	case !deleted:
		return ErrNoScopeMap
	}
	return nil
}
