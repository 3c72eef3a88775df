// Package gate is the HTTP glue that the server's APIs share: it tells who a
// request comes from, refuses what that caller may not do, and writes errors as
// the distribution specification and ACR's clients want them.
package gate

import (
	"context"
	"log/slog"
	"net/netip"
	"time"

	"github.com/orlop/orlop/internal/authn"
	"github.com/orlop/orlop/internal/authz"
	"github.com/orlop/orlop/internal/meta"
)

// Hosts tells which registry a request is for.
type Hosts interface {
	// Resolve returns the id of the registry behind host, which is in lower
	// case and without a port. An error for WriteError if the host names a
	// registry that is not there; the default registry answers for hosts that
	// name none.
	Resolve(ctx context.Context, host string) (registry int64, err error)
}

// defaultHosts sends every host to the default registry.
type defaultHosts struct{}

func (defaultHosts) Resolve(context.Context, string) (int64, error) { return meta.DefaultRegistry, nil }

// Options are what the gate needs, and its settings.
type Options struct {
	// Authn tells who a caller is; required.
	Authn *authn.Authenticator
	// Hosts maps hosts to registries; nil sends all to meta.DefaultRegistry.
	Hosts Hosts
	// TrustedProxies are peers whose X-Forwarded-For, -Host and -Proto are
	// believed; none by default. Behind a proxy that is not named here, all
	// clients count as one where failed sign-ins are counted.
	TrustedProxies []netip.Prefix
	// Limits are how many requests are taken; none by default.
	Limits Limits
	// Now is the clock of the limits; time.Now if nil.
	Now func() time.Time
	// Log is for errors of the server; nil discards.
	Log *slog.Logger
}

// Gate authenticates and authorises requests. It is safe for concurrent use.
type Gate struct {
	authn   *authn.Authenticator
	hosts   Hosts
	proxies []netip.Prefix
	limits  *limiter
	log     *slog.Logger
}

// New returns a gate.
func New(o Options) *Gate {
	if o.Hosts == nil {
		o.Hosts = defaultHosts{}
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Gate{authn: o.Authn, hosts: o.Hosts, proxies: o.TrustedProxies, limits: newLimiter(o.Limits, o.Now), log: o.Log}
}

// Caller is who a request comes from, and what it may do.
type Caller struct {
	ID          string // of the principal; "" if anonymous
	Name        string // of the principal; "" if anonymous
	RegistryID  int64  // the registry the request is for
	LoginServer string // host[:port] as the client named it, in lower case

	session *authn.Session
}

// May tells whether the caller has a right, beyond what it was asked for.
func (c *Caller) May(a authz.Access) bool { return c.session.May(a) }

// Could tells whether the caller lacks a right only because its token does not
// grant it: demanding the right sends the client for one that does.
func (c *Caller) Could(a authz.Access) bool { return c.session.Could(a) }

// Sees tells whether a repository shows in lists made for the caller. It is to
// be used in place of May there: a token for lists names no repositories.
func (c *Caller) Sees(repo string) bool { return c.session.Sees(repo) }

// Anonymous tells whether the caller is nobody in particular. Such a caller may
// have shown a token for anonymous pull.
func (c *Caller) Anonymous() bool { return c.session.Anonymous() }
