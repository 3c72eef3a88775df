// Package gate is the HTTP glue that the server's APIs share: it tells who a
// request comes from, refuses what that caller may not do, and writes errors as
// the distribution specification and ACR's clients want them.
package gate

import (
	"log/slog"
	"net/http"
	"net/netip"

	"github.com/orlop/orlop/internal/authn"
	"github.com/orlop/orlop/internal/authz"
)

// Hosts tells which registry a request is for.
type Hosts interface {
	// Resolve returns the id of the registry behind host, which is in lower
	// case and without a port. Every host has one: the default registry answers
	// for the rest.
	Resolve(host string) (registry int64)
}

// Options are what the gate needs, and its settings.
type Options struct {
	// Authn tells who a caller is; required.
	Authn *authn.Authenticator
	// Hosts maps hosts to registries; nil sends all to meta.DefaultRegistry.
	Hosts Hosts
	// TrustedProxies are peers whose X-Forwarded-For, -Host and -Proto are
	// believed; none by default.
	TrustedProxies []netip.Prefix
	// Log is for errors of the server; nil discards.
	Log *slog.Logger
}

// Gate authenticates and authorises requests. It is safe for concurrent use.
type Gate struct {
	o Options
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

// Sees tells whether a repository shows in lists made for the caller. It is to
// be used in place of May there: a token for lists names no repositories.
func (c *Caller) Sees(repo string) bool { return c.session.Sees(repo) }

// Session is what authentication found out.
func (c *Caller) Session() *authn.Session { return c.session }

// Anonymous tells whether the caller has not signed in.
func (c *Caller) Anonymous() bool { return c.session.Anonymous() }

var _ http.Handler // until the rest is here
