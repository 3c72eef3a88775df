package authn

import (
	"bytes"
	"context"
	"encoding/base64"
	"net/netip"

	"github.com/google/uuid"

	"github.com/orlop/orlop/internal/meta"
)

// SignIn tells who shows a user and a secret, like Authenticate.
func (a *Authenticator) SignIn(ctx context.Context, registry int64, from netip.Addr, user, secret string) (*Session, error) {
	return a.Authenticate(ctx, registry, from, "Basic "+base64.StdEncoding.EncodeToString([]byte(user+":"+secret)))
}

// signIn checks a user's secret.
func (a *Authenticator) signIn(ctx context.Context, registry int64, from netip.Addr, user, secret string) (*Session, error) {
	seen := a.people.version()
	p, ok, err := a.directory.PrincipalNamed(ctx, registry, user)
	if err != nil {
		return nil, err
	}
	if !ok || p.Disabled {
		p.Secrets = nil // goes on, so that it takes as long
	}
	match, err := a.match(ctx, from, user, p.Secrets, secret)
	if err != nil {
		return nil, err
	}
	if match == nil {
		a.guard.failed(a.now(), from, user)
		// Not what was typed as a user: now and then it is the password.
		a.log.WarnContext(ctx, "sign-in failed", "from", from, "principal", p.ID)
		return nil, ErrBadCredentials
	}
	until := a.now().Add(secretTTL)
	if !match.Expires.IsZero() && match.Expires.Before(until) {
		until = match.Expires
	}
	return &Session{Identity: a.people.remember(p, seen), Means: Secret, proof: proof{secret: match.ID}, until: until}, nil
}

// match finds the secret among those of a principal; nil if it is none of them.
// A wrong secret takes as long whether or not the principal exists.
func (a *Authenticator) match(ctx context.Context, from netip.Addr, user string, secrets []meta.Secret, secret string) (*meta.Secret, error) {
	now := a.now()
	var human *meta.Secret
	for i := range secrets {
		s := &secrets[i]
		switch {
		case expired(s.Expires, now):
		case bytes.HasPrefix(s.Hash, sha256Mark):
			if matchGenerated(s.Hash, secret) {
				return s, nil
			}
		case bytes.HasPrefix(s.Hash, argon2Mark):
			human = s
		}
	}
	// A generated secret cannot be guessed, so that a flood of wrong ones need
	// not keep the right one out. All others wait their turn.
	if err := a.guard.check(now, from, user); err != nil {
		return nil, err
	}
	// Applications sign in by a UUID and have generated secrets only.
	if human == nil && uuid.Validate(user) == nil {
		return nil, nil
	}
	if a.isProven(human, secret) {
		return human, nil
	}
	return a.matchHuman(ctx, from, user, human, secret)
}

// matchHuman hashes a password, at most one on each core.
func (a *Authenticator) matchHuman(ctx context.Context, from netip.Addr, user string, human *meta.Secret, password string) (*meta.Secret, error) {
	if a.waiting.Add(1) > maxWaiting {
		a.waiting.Add(-1)
		return nil, &ThrottledError{After: waitingDelay}
	}
	defer a.waiting.Add(-1)
	select {
	case a.hashing <- struct{}{}:
		defer func() { <-a.hashing }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	// Others of a flood may have failed while this one waited.
	if err := a.guard.check(a.now(), from, user); err != nil {
		return nil, err
	}
	if human == nil {
		matchNothing(password)
		return nil, nil
	}
	if !matchHuman(human.Hash, password) {
		return nil, nil
	}
	return human, nil
}
