package cli

import (
	"context"
	"net/http"
	"os"
	"time"

	"github.com/orlop/orlop"
	"github.com/orlop/orlop/internal/cli/output"
	"github.com/orlop/orlop/internal/registries"
	"github.com/orlop/orlop/remote"
	"github.com/orlop/orlop/remote/auth"
)

// connection says how one registry is spoken to.
type connection struct {
	host string // host[:port]
	cred auth.CredentialFunc
	// foreign is a registry that the user did not name, a mirror: the flags are
	// not about it.
	foreign bool
	// mirror is one that others stand behind: it is not waited for.
	mirror bool
	// insecure is what registries.conf says: any certificate will do, and
	// plainHTTP if nothing else is spoken there.
	insecure, plainHTTP bool
}

// registry opens the registry at host.
func (o *remoteOptions) registry(env *Env, c *commonOptions, host string) (orlop.Registry, error) {
	return o.registryOf(env, c, parsedRef{host: host}, false)
}

// registryOf opens the registry of a reference with the given or stored
// credentials. With mirrors, reads go to where registries.conf sends them: only
// for who reads and does nothing else.
func (o *remoteOptions) registryOf(env *Env, c *commonOptions, p parsedRef, mirrors bool) (orlop.Registry, error) {
	cred, err := o.credentialFunc(env, p.repo)
	if err != nil {
		return nil, err
	}
	r, err := route(env, p)
	if err != nil {
		return nil, err
	}
	if r == nil {
		return o.connect(env, c, connection{host: p.host, cred: cred})
	}
	open := func(ctx context.Context, s registries.Source) (registries.Endpoint, error) {
		return o.openEndpoint(ctx, env, c, s, connection{host: p.host, cred: cred})
	}
	return registries.NewRegistry(r, mirrors, open, c.logger(env)), nil
}

// route returns what registries.conf says of a reference, nil if it says
// nothing. What it blocks is an error.
func route(env *Env, p parsedRef) (*registries.Route, error) {
	conf, err := registries.Load(registries.Default(env.Getenv))
	if err != nil {
		return nil, withHint(err, "mend the file, or do without: CONTAINERS_REGISTRIES_CONF=%s", os.DevNull)
	}
	r, err := conf.Route(p.host, p.repo, p.reference)
	return r, withHint(err, "who set up this machine has forbidden it there")
}

// openEndpoint opens a source of registries.conf. The flags, and what they give
// of secrets, are for the registry that was named.
func (o *remoteOptions) openEndpoint(
	ctx context.Context, env *Env, c *commonOptions, s registries.Source, named connection,
) (*remote.Registry, error) {
	conn := connection{host: s.Host, cred: named.cred, foreign: s.Host != named.host, mirror: s.Mirror, insecure: s.Insecure}
	if conn.foreign || !o.givesCredential() {
		var err error
		if conn.cred, err = o.storedCredential(s.Repo); err != nil {
			return nil, err
		}
	}
	if s.Insecure {
		conn.plainHTTP = !o.speaksTLS(ctx, env, conn)
	}
	return o.connect(env, c, conn)
}

// speaksTLS asks a registry whether it speaks TLS, with whatever certificate.
func (o *remoteOptions) speaksTLS(ctx context.Context, env *Env, conn connection) bool {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	transport, _, err := o.transport(env, conn)
	if err != nil {
		return true // which is told when it is used
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+conn.host+"/v2/", nil)
	if err != nil {
		return true
	}
	resp, err := transport.RoundTrip(req)
	if err != nil {
		return ctx.Err() != nil
	}
	resp.Body.Close()
	return true
}

// leavesTLSOpen tells whether the flags say no more than that any certificate
// will do, of a registry on this machine, which may have none: so scripts have
// it.
func (o *remoteOptions) leavesTLSOpen(conn connection) bool {
	return o.insecure && !conn.foreign && !conn.insecure && isLoopback(conn.host) &&
		!o.flags.Changed(o.name("plain-http")) && o.caFile == "" && o.certFile == ""
}

// open opens the registry at host with a credential, to manage it. Of
// registries.conf only the blocks count.
func (o *remoteOptions) open(env *Env, c *commonOptions, host string, cred auth.CredentialFunc) (*remote.Registry, error) {
	if _, err := route(env, parsedRef{host: host}); err != nil {
		return nil, err
	}
	return o.connect(env, c, connection{host: host, cred: cred})
}

// connect opens a registry. Nothing is sent yet.
func (o *remoteOptions) connect(env *Env, c *commonOptions, conn connection) (*remote.Registry, error) {
	if o.leavesTLSOpen(conn) {
		// No context is at hand, and none is needed: this machine answers at once.
		conn.insecure, conn.plainHTTP = true, !o.speaksTLS(context.Background(), env, conn)
	}
	transport, plainHTTP, err := o.transport(env, conn)
	if err != nil {
		return nil, err
	}
	warnings := output.NewPrinter(env.Stderr)
	opts := remote.Options{
		PlainHTTP:    plainHTTP,
		Transport:    transport,
		Credential:   conn.cred,
		UserAgent:    "orlop/" + env.Version,
		ReferrersTag: o.referrersTag,
		Retry:        o.retry(conn),
		Warn:         func(text string) { warnings.Line("WARNING: from %s: %s", conn.host, text) },
		Log:          c.logger(env),
	}
	if !conn.foreign {
		if opts.Header, err = o.header(); err != nil {
			return nil, err
		}
	}
	if dir := stateDir(env); dir != "" {
		opts.Uploads = keptUploads(dir, c.logger(env))
		if conn.foreign || !o.givesCredential() { // what a flag gives is for this run
			opts.Tokens = keptTokens(dir, c.logger(env))
		}
	}
	return remote.New(conn.host, opts)
}
