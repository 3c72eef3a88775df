package auth

import (
	"cmp"
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"

	"github.com/orlop/orlop"
)

// Options of a Transport.
type Options struct {
	// Origin is the scheme and host of the registry. Required.
	Origin *url.URL
	// Registry is the name that the credential is looked up under. Default:
	// the host of Origin.
	Registry string
	// Credential finds the credential. Default: anonymous.
	Credential CredentialFunc
	// Tokens keeps tokens of the token service, and how the registry asks for
	// proof, between processes. Default: none.
	Tokens TokenStore
	// TokenHosts are names of hosts (no port) that may be the token service
	// beside those that the rules for realms let through.
	TokenHosts []string
}

// Transport authorises requests to one registry. It answers Basic and Bearer
// challenges, keeps tokens for what they cover until they expire or are
// refused, and asks for them ahead of a request once it knows the token
// service. Requests to other origins pass without credentials.
//
// A request that is refused is sent once more at most, if its body can be
// rewound (GetBody).
type Transport struct {
	base     http.RoundTripper
	o        Options
	resolver resolver
	fetching keyedLock
	memory   memory
	recall   sync.Once // takes the challenge from memory

	mu         sync.Mutex // guards the fields below
	challenge  Challenge  // the last one answered; no scheme: none yet
	seen       bool       // the challenge comes from the registry, not from memory
	credential *Credential
	tokens     map[string]token // by scopeSet.key
	goodRealm  string           // the last realm that passed checkRealm
}

// NewTransport returns a Transport that sends requests, those to the token
// service too, by base.
func NewTransport(base http.RoundTripper, o Options) *Transport {
	o.Registry = cmp.Or(o.Registry, o.Origin.Host)
	if o.Credential == nil {
		o.Credential = Static(Credential{})
	}
	return &Transport{
		base: base, o: o, resolver: systemResolver{}, tokens: map[string]token{},
		memory: newMemory(o.Tokens, o.Origin),
	}
}

// proof is what a request is authorised with. The zero value is nothing.
type proof struct {
	header   string // Authorization
	token    token  // if it is one of a token service
	accepted bool   // the token service accepted the caller's credentials
	fresh    bool   // made for this request

	// Instead of a proof: why there is none, after asking the token service of a
	// challenge that an earlier process has seen.
	failed error
	stale  Challenge
}

type proofKey struct{}

// Authenticated tells whether the request of an answer went out with a token
// that the token service gave for the caller's credentials. If such a request
// is refused with 401, the caller is known and lacks the right.
func Authenticated(resp *http.Response) bool {
	if resp.Request == nil {
		return false
	}
	p, _ := resp.Request.Context().Value(proofKey{}).(proof)
	return p.accepted
}

// RoundTrip implements http.RoundTripper.
func (t *Transport) RoundTrip(req *http.Request) (*http.Response, error) {
	if !SameOrigin(req.URL, t.o.Origin) {
		return t.base.RoundTrip(stranger(req))
	}
	if req.Header.Get("Authorization") != "" {
		return t.base.RoundTrip(req)
	}
	want := newScopeSet(scopesOf(req.Context(), t.o.Registry)...)
	p, err := t.ahead(req.Context(), want)
	if err != nil {
		closeBody(req)
		return nil, err
	}
	resp, err := t.base.RoundTrip(p.on(req))
	if err != nil || resp.StatusCode != http.StatusUnauthorized {
		return resp, err
	}
	return t.again(req, resp, want, p)
}

// again answers the challenge of a refused request.
func (t *Transport) again(req *http.Request, resp *http.Response, want scopeSet, refused proof) (*http.Response, error) {
	t.forget(refused)
	c, ok := choose(ParseChallenges(resp.Header.Values("Www-Authenticate")))
	if !ok {
		return resp, nil
	}
	asked := newScopeSet(c.Params["scope"])
	if refused.fresh && refused.token.scopes.covers(asked) {
		return resp, nil // another token would be the same
	}
	t.learn(c)
	if errors.Is(refused.failed, orlop.ErrUnauthorized) && sameService(c, refused.stale) {
		discard(resp) // asking again could lock the account
		closeBody(req)
		return nil, refused.failed
	}
	p, err := t.prove(req.Context(), c, want, asked)
	if err != nil {
		discard(resp)
		closeBody(req)
		return nil, err
	}
	if p.header == "" || p.header == refused.header {
		return resp, nil
	}
	next, ok := rewind(req)
	if !ok {
		return resp, nil
	}
	discard(resp)
	return t.base.RoundTrip(p.on(next))
}

// ahead returns the proof for a request before it is known to need one: by
// the challenge of an earlier request, maybe one of an earlier process.
func (t *Transport) ahead(ctx context.Context, want scopeSet) (proof, error) {
	t.recall.Do(t.remember)
	t.mu.Lock()
	c, seen := t.challenge, t.seen
	t.mu.Unlock()
	if c.Scheme == "" {
		return proof{}, nil
	}
	p, err := t.prove(ctx, c, want, nil)
	if err != nil && !seen && ctx.Err() == nil {
		t.unlearn() // the registry may have another token service by now
		return proof{failed: err, stale: c}, nil
	}
	return p, err
}

func (t *Transport) remember() {
	c, _ := t.memory.challenge()
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.challenge.Scheme == "" {
		t.challenge = c
	}
}

// learn takes a challenge that the registry has given.
func (t *Transport) learn(c Challenge) {
	t.mu.Lock()
	old := t.challenge
	t.challenge, t.seen = c, true
	t.mu.Unlock()
	if !sameService(old, c) {
		t.memory.saveChallenge(c)
	}
}

// sameService tells whether two challenges are answered alike.
func sameService(a, b Challenge) bool {
	return a.Scheme == b.Scheme && a.Params["realm"] == b.Params["realm"] && a.Params["service"] == b.Params["service"]
}

// unlearn drops a challenge of an earlier process.
func (t *Transport) unlearn() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.seen {
		t.challenge = Challenge{}
		t.memory.forgetChallenge()
	}
}

// on returns req with the proof: a copy, so that net/http never carries the
// header over to the target of a redirect.
func (p proof) on(req *http.Request) *http.Request {
	if p.header == "" {
		return req
	}
	req = req.Clone(context.WithValue(req.Context(), proofKey{}, p))
	req.Header.Set("Authorization", p.header)
	return req
}

// choose picks the challenge to answer: Bearer before Basic.
func choose(all []Challenge) (Challenge, bool) {
	for _, scheme := range []string{"bearer", "basic"} {
		for _, c := range all {
			if c.Scheme == scheme {
				return c, true
			}
		}
	}
	return Challenge{}, false
}

// SameOrigin tells whether two URLs have the same scheme, host and port.
func SameOrigin(a, b *url.URL) bool {
	return strings.EqualFold(a.Scheme, b.Scheme) &&
		strings.EqualFold(a.Hostname(), b.Hostname()) && port(a) == port(b)
}

func port(u *url.URL) string {
	if p := u.Port(); p != "" {
		return p
	}
	if strings.EqualFold(u.Scheme, "https") {
		return "443"
	}
	return "80"
}

// stranger returns req as it may go to another origin: with the headers that
// say what is wanted, and none of the caller's own.
func stranger(req *http.Request) *http.Request {
	header := http.Header{}
	for _, name := range []string{"Accept", "Accept-Encoding", "Content-Type", "If-Range", "Range", "User-Agent"} {
		if v := req.Header.Values(name); len(v) > 0 {
			header[name] = v
		}
	}
	req = req.Clone(req.Context())
	req.Header = header
	return req
}

// rewind returns req with its body at the start.
func rewind(req *http.Request) (*http.Request, bool) {
	if req.Body == nil || req.Body == http.NoBody {
		return req, true
	}
	if req.GetBody == nil {
		return nil, false
	}
	body, err := req.GetBody()
	if err != nil {
		return nil, false
	}
	req = req.Clone(req.Context())
	req.Body = body
	return req, true
}

// discard ends an answer so that its connection can be used again, if little
// is left of it.
func discard(resp *http.Response) {
	_, _ = io.CopyN(io.Discard, resp.Body, 64<<10)
	_ = resp.Body.Close()
}

func closeBody(req *http.Request) {
	if req.Body != nil {
		_ = req.Body.Close()
	}
}
