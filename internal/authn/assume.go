package authn

import (
	"context"

	"github.com/orlop/orlop/internal/meta"
)

// Assume is a session of a service principal that shows no secret, because the
// server's owner has said that whoever asks in a certain way is it: a managed
// identity. The session, and the tokens got in it, end with the secret of the
// principal that has the longest to live, so that they can be ended in the same
// way as those of the principal itself. ErrBadCredentials if there is none.
func (a *Authenticator) Assume(ctx context.Context, registry int64, id string) (*Session, error) {
	if err := a.follow(ctx); err != nil {
		return nil, err
	}
	p, ok, err := a.store.Principal(ctx, registry, id)
	if err != nil {
		return nil, err
	}
	best := a.lasting(p.Secrets)
	if !ok || p.Disabled || p.Kind != meta.KindServicePrincipal || best == nil {
		return nil, ErrBadCredentials
	}
	who, err := a.identity(ctx, registry, id, p.Name, proof{secret: best.ID})
	if err == nil && who == nil {
		err = ErrBadCredentials
	}
	return &Session{Identity: who, Means: Secret, proof: proof{secret: best.ID}}, err
}

// lasting is the good secret that ends last; nil if there is none.
func (a *Authenticator) lasting(secrets []meta.Secret) *meta.Secret {
	var best *meta.Secret
	for i := range secrets {
		s := &secrets[i]
		if expired(s.Expires, a.now()) {
			continue
		}
		if best == nil || s.Expires.IsZero() || !best.Expires.IsZero() && s.Expires.After(best.Expires) {
			best = s
		}
	}
	return best
}
