package authn

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// ManagementTTL is how long a token of the management plane is good.
const ManagementTTL = 75 * time.Minute

// IssueManagementToken issues a token for an audience of the management plane to
// somebody who has signed in with a secret or by an issuer. The exchange gives
// the tokens of a registry for it.
func (a *Authenticator) IssueManagementToken(_ context.Context, s *Session, audience string) (token string, expires time.Time, err error) {
	if s.Identity == nil || s.Means != Secret && s.Means != Federated {
		return "", time.Time{}, ErrBadCredentials
	}
	c := a.claims(s, s.Identity.Registry, audience, ManagementTTL)
	c.Grant = grantManage
	c.TenantID, c.ObjectID, c.AppID, c.Ver = a.keys.tenant, s.Identity.ID, s.Identity.ID, "1.0"
	token, err = a.sign(c)
	return token, time.Unix(c.Expires, 0), err
}

// DataAudience is the audience of a token of the management plane that is for
// the data of registries alone. It is the name that clients of Azure know.
const DataAudience = "https://containerregistry.azure.net"

// VerifyManagementToken tells who in a registry, or at Home, shows a token of the
// management plane. ErrBadCredentials.
func (a *Authenticator) VerifyManagementToken(ctx context.Context, registry int64, token string) (*Session, error) {
	if len(token) > maxAuthorization {
		return nil, ErrBadCredentials
	}
	if err := a.follow(ctx); err != nil {
		return nil, err
	}
	return a.management(ctx, registry, token)
}

func (a *Authenticator) management(ctx context.Context, registry int64, token string) (*Session, error) {
	if err := a.settle(ctx); err != nil {
		return nil, err
	}
	s, err := a.token(ctx, registry, token)
	if err == nil && s.Means != Management {
		return nil, ErrBadCredentials
	}
	return s, err
}

// ExchangeSession tells who shows a token of the management plane, or one of an
// issuer that is trusted. ErrBadCredentials, also for somebody who may do
// nothing here; ErrIssuerUnavailable.
func (a *Authenticator) ExchangeSession(ctx context.Context, registry int64, token string) (*Session, error) {
	if len(token) > maxForeign || strings.Count(token, ".") != 2 {
		return nil, ErrBadCredentials
	}
	if err := a.follow(ctx); err != nil {
		return nil, err
	}
	s, err := a.exchange(ctx, registry, token)
	if err != nil {
		return nil, fmt.Errorf("exchange: %w", err)
	}
	if s.Identity.Grants.Empty() {
		return nil, ErrBadCredentials
	}
	return s, nil
}

func (a *Authenticator) exchange(ctx context.Context, registry int64, token string) (*Session, error) {
	if !a.keys.ours(token) {
		return a.federated(ctx, registry, token)
	}
	if len(token) > maxAuthorization {
		return nil, ErrBadCredentials
	}
	s, err := a.management(ctx, registry, token)
	if err != nil || s.Audience == DataAudience {
		return s, err
	}
	access, err := a.store.Access(ctx, registry)
	if err == nil && access.DataTokensOnly {
		err = ErrBadCredentials
	}
	return s, err
}
