// Package federation verifies the tokens of issuers that are trusted (OpenID
// Connect) and finds out, by rules that are data, whose they are. It implements
// authn.Federation.
//
// A file in YAML names the issuers and the rules:
//
//	issuers:
//	  - issuer: https://token.actions.example.com
//	    audience: myregistry.example
//	    rules:
//	      - name: builds-of-main
//	        claims: {repository: example/app, ref: refs/heads/*}
//	        roles: [{role: AcrPush, repository: samples/*}]
//	      - name: ann
//	        claims: {sub: "1234"}
//	        principal: ann
//	      - name: builds-for-another-registry
//	        registry: another
//	        claims: {repository: example/app}
//	        roles: [{role: AcrPull}]
package federation

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"time"

	"github.com/orlop/orlop/internal/authn"
)

// Options change a Federation. The zero value is the default.
type Options struct {
	Now func() time.Time // the clock; time.Now if nil
	Log *slog.Logger     // for tokens that are refused; nil discards
}

// Federation knows the issuers that are trusted. It is safe for concurrent use.
type Federation struct {
	now func() time.Time
	log *slog.Logger

	inForce atomic.Pointer[inForce]
}

// inForce is a configuration that counts. It does not change.
type inForce struct {
	issuers map[string]*issuer
	rules   map[string]authn.Rule
}

var _ authn.Federation = (*Federation)(nil)

// New returns a Federation of a configuration that Load has read. It asks
// nobody anything yet.
func New(c *Config, o Options) *Federation {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	f := &Federation{now: o.Now, log: o.Log}
	f.Use(c)
	return f
}

// Use puts another configuration in force, from the next call on. Keys of issuers
// that are still asked in the same way are kept.
func (f *Federation) Use(c *Config) {
	before := f.inForce.Load()
	next := &inForce{issuers: map[string]*issuer{}, rules: map[string]authn.Rule{}}
	for _, i := range c.Issuers {
		next.issuers[i.Issuer] = newIssuer(i)
		if before != nil {
			next.issuers[i.Issuer].inherit(before.issuers[i.Issuer])
		}
		for _, r := range i.Rules {
			next.rules[r.Name] = r.rule()
		}
	}
	f.inForce.Store(next)
}

// Rule implements authn.Federation.
func (f *Federation) Rule(name string) (authn.Rule, bool) {
	r, ok := f.inForce.Load().rules[name]
	return r, ok
}

// Verify implements authn.Federation.
func (f *Federation) Verify(ctx context.Context, registry, token string) (authn.External, error) {
	who, err := f.verify(ctx, registry, token)
	switch {
	case errors.Is(err, authn.ErrIssuerUnavailable):
		f.log.WarnContext(ctx, "issuer of a token unavailable", "issuer", who.Issuer, "error", brief(err))
		return who, err
	case err != nil:
		f.log.InfoContext(ctx, "token of an issuer refused", "issuer", who.Issuer, "error", brief(err))
		return who, authn.ErrBadCredentials
	}
	return who, nil
}

func (f *Federation) verify(ctx context.Context, registry, token string) (authn.External, error) {
	claimed, err := peek(token)
	if err != nil {
		return authn.External{}, err
	}
	i := f.inForce.Load().issuers[claimed]
	if i == nil {
		return authn.External{}, errors.New("nobody trusts its issuer")
	}
	who := authn.External{Issuer: i.config.Issuer}
	payload, err := i.verify(ctx, token)
	if err != nil {
		return who, err
	}
	c, err := parseClaims(payload)
	if err != nil {
		return who, err
	}
	if err := c.current(f.now()); err != nil {
		return who, err
	}
	if who.Subject = c.text("sub"); who.Subject == "" || len(who.Subject) > maxSubject {
		return who, fmt.Errorf("its subject has %d bytes, not 1 to %d", len(who.Subject), maxSubject)
	}
	for _, r := range i.config.Rules {
		if r.Registry == registry && r.matches(c) {
			who.Rule = r.Name
			return who, nil
		}
	}
	return who, errors.New("no rule matches its claims")
}

const (
	maxSubject = 512 // bytes
	maxLogged  = 200 // bytes of an error, which may hold what an issuer sent
)

func brief(err error) string {
	s := err.Error()
	if len(s) > maxLogged {
		s = strings.ToValidUTF8(s[:maxLogged], "") + "…"
	}
	return s
}
