package auth

import (
	"context"
	"encoding/base64"
	"fmt"
	"maps"
	"time"
)

// maxTokens bounds the tokens kept in memory; a walk over many repositories
// needs one for each.
const maxTokens = 256

// token is an access token and what it was asked for.
type token struct {
	value    string
	scopes   scopeSet
	expires  time.Time
	accepted bool // given for the caller's credentials, not to nobody
}

// prove returns the proof that a challenge asks for. It has no header if the
// caller is anonymous and the challenge is Basic.
func (t *Transport) prove(ctx context.Context, c Challenge, want scopeSet) (proof, error) {
	cred, err := t.loadCredential(ctx)
	if err != nil {
		return proof{}, err
	}
	switch {
	case cred.AccessToken != "":
		return proof{header: "Bearer " + cred.AccessToken}, nil
	case c.Scheme == "bearer":
		return t.bearer(ctx, c, cred, want)
	case cred.Username == "" && cred.Password == "":
		return proof{}, nil
	}
	return proof{header: basic(cred)}, nil
}

func basic(c Credential) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(c.Username+":"+c.Password))
}

// bearer returns a token from memory or from the token service.
func (t *Transport) bearer(ctx context.Context, c Challenge, cred Credential, want scopeSet) (proof, error) {
	if tok, ok := t.kept(want); ok {
		return tok.proof(false), nil
	}
	key := want.key()
	release, err := t.fetching.lock(ctx, key)
	if err != nil {
		return proof{}, err
	}
	defer release()
	if tok, ok := t.kept(want); ok { // another request has fetched it meanwhile
		return tok.proof(false), nil
	}
	tok, err := t.fetch(ctx, c, cred, want)
	if err != nil {
		t.forgetCredential()
		return proof{}, fmt.Errorf("get a token for %s: %w", t.o.Registry, err)
	}
	t.keep(key, tok)
	return tok.proof(true), nil
}

func (tok token) proof(fresh bool) proof {
	return proof{header: "Bearer " + tok.value, token: tok, accepted: tok.accepted, fresh: fresh}
}

func (tok token) valid() bool { return time.Now().Before(tok.expires) }

// kept returns a token in memory that covers want.
func (t *Transport) kept(want scopeSet) (token, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if tok, ok := t.tokens[want.key()]; ok && tok.valid() {
		return tok, true
	}
	if len(want) == 0 {
		return token{}, false // the token for no scope proves the credentials
	}
	for _, tok := range t.tokens {
		if tok.valid() && tok.scopes.covers(want) {
			return tok, true
		}
	}
	return token{}, false
}

func (t *Transport) keep(key string, tok token) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.tokens) >= maxTokens {
		maps.DeleteFunc(t.tokens, func(_ string, old token) bool { return !old.valid() })
	}
	if len(t.tokens) >= maxTokens {
		clear(t.tokens)
	}
	t.tokens[key] = tok
}

// forget drops a token that was refused, unless it has been replaced.
func (t *Transport) forget(refused proof) {
	t.mu.Lock()
	defer t.mu.Unlock()
	key := refused.token.scopes.key()
	if tok, ok := t.tokens[key]; ok && tok.value == refused.token.value {
		delete(t.tokens, key)
	}
}

// loadCredential asks for the credential once: it may come from a program
// that takes its time, or asks the user.
func (t *Transport) loadCredential(ctx context.Context) (Credential, error) {
	release, err := t.fetching.lock(ctx, "credential") // no scope has this name
	if err != nil {
		return Credential{}, err
	}
	defer release()
	t.mu.Lock()
	known := t.credential
	t.mu.Unlock()
	if known != nil {
		return *known, nil
	}
	cred, err := t.o.Credential(ctx, t.o.Registry)
	if err != nil {
		return Credential{}, fmt.Errorf("find the credential for %s: %w", t.o.Registry, err)
	}
	t.mu.Lock()
	t.credential = &cred
	t.mu.Unlock()
	return cred, nil
}

// forgetCredential lets the next request ask again, after a failure that
// another credential might mend.
func (t *Transport) forgetCredential() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.credential = nil
}
