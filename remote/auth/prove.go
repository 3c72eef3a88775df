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
	accepted bool   // given for the caller's credentials, not to nobody
	key      string // in the store; empty: not there
}

// prove returns the proof that a challenge asks for. It has no header if the
// caller is anonymous and the challenge is Basic.
//
// want is what the request is known to need, asked what the challenge names
// beside it.
func (t *Transport) prove(ctx context.Context, c Challenge, want, asked scopeSet) (proof, error) {
	cred, err := t.loadCredential(ctx)
	if err != nil {
		return proof{}, err
	}
	switch {
	case cred.AccessToken != "":
		return proof{header: "Bearer " + cred.AccessToken}, nil
	case c.Scheme == "bearer":
		return t.bearer(ctx, c, cred, want, asked)
	case cred.Username == "" && cred.Password == "":
		return proof{}, nil
	}
	return proof{header: basic(cred)}, nil
}

func basic(c Credential) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(c.Username+":"+c.Password))
}

// bearer returns a token from memory, from the store, or from the token
// service.
func (t *Transport) bearer(ctx context.Context, c Challenge, cred Credential, want, asked scopeSet) (proof, error) {
	all := newScopeSet(append(want.strings(), asked.strings()...)...)
	if tok, ok := t.kept(all); ok {
		return tok.proof(false), nil
	}
	release, err := t.fetching.lock(ctx, all.key())
	if err != nil {
		return proof{}, err
	}
	defer release()
	if tok, ok := t.kept(all); ok { // another request has fetched it meanwhile
		return tok.proof(false), nil
	}
	key := t.memory.tokenKey(c, cred, want) // without what was asked: the next process looks for it unasked
	if tok, ok := t.memory.token(key, all); ok {
		t.keep(tok)
		return tok.proof(false), nil
	}
	tok, err := t.fetch(ctx, c, cred, all)
	if err != nil {
		t.forgetCredential()
		return proof{}, fmt.Errorf("get a token for %s: %w", t.o.Registry, err)
	}
	tok.key = key
	t.keep(tok)
	t.memory.saveToken(tok)
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

func (t *Transport) keep(tok token) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.tokens) >= maxTokens {
		maps.DeleteFunc(t.tokens, func(_ string, old token) bool { return !old.valid() })
	}
	if len(t.tokens) >= maxTokens {
		clear(t.tokens)
	}
	t.tokens[tok.scopes.key()] = tok
}

// forget drops a token that was refused, unless it has been replaced.
func (t *Transport) forget(refused proof) {
	t.memory.forgetToken(refused.token)
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
