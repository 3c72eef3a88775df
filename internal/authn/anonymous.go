package authn

import (
	"context"

	"github.com/orlop/orlop/internal/authz"
)

// anybody may pull everything, where anonymous pull is on for the server.
var anybody = authz.PullOnly("")

// WithAnonymousPull returns the session of an anonymous caller with what
// anybody may do now in the repositories: pull from those that are open. A
// session of a principal is returned as it is.
func (a *Authenticator) WithAnonymousPull(ctx context.Context, s *Session, registry int64, repos ...string) (*Session, error) {
	if !s.Anonymous() {
		return s, nil
	}
	c := *s
	if a.anonymousPull {
		c.anon = anybody
		return &c, nil
	}
	var open []string
	for _, repo := range repos {
		yes, err := a.store.AnonymousPull(ctx, registry, repo)
		if err != nil {
			return nil, err
		}
		if yes && repo != "" {
			open = append(open, repo)
		}
	}
	c.anon = authz.PullOnly(open...)
	return &c, nil
}
