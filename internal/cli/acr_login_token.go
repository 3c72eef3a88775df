package cli

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"

	"github.com/orlop/orlop"
	"github.com/orlop/orlop/internal/cli/output"
	"github.com/orlop/orlop/remote/auth"
)

// nullUser is the user name that says: the password is a token.
const nullUser = "00000000-0000-0000-0000-000000000000"

// runExposeToken prints a token of the account that is signed in.
func runExposeToken(ctx context.Context, env *Env, opts *acrLoginOptions) error {
	if opts.givesCredential() {
		return usagef("--expose-token is about who is signed in: it cannot be used with --username, --password or a token")
	}
	reg, err := opts.open(env)
	if err != nil {
		return err
	}
	find, err := opts.acrCredential(env)
	if err != nil {
		return err
	}
	cred, err := find(ctx, reg.Host())
	if err != nil {
		return err
	}
	token, err := reg.exposeToken(ctx, cred)
	if err != nil {
		return about(reg.Host(), err)
	}
	output.NewPrinter(env.Stderr).Line("Sign in with the token, for example: docker login %s -u %s -p accessToken", reg.Host(), nullUser)
	return opts.write(env, map[string]string{"accessToken": token, "loginServer": reg.Host()})
}

// everything are the scopes of a token that may do what the account may.
var everything = []string{"registry:catalog:*", "repository:*:*"}

// exposeToken returns the identity token of a credential: its own, or one that
// the token service gives for it. Of a user with a password it may be an access
// token, if the service gives no other.
func (r acrRegistry) exposeToken(ctx context.Context, cred auth.Credential) (string, error) {
	switch {
	case cred.IsZero():
		return "", orlop.ErrUnauthorized
	case cred.RefreshToken != "":
		return cred.RefreshToken, r.Ping(ctx) // so that one that has expired is not given out
	case cred.AccessToken != "":
		return cred.AccessToken, r.Ping(ctx)
	}
	q := url.Values{"service": {r.Host()}, "account": {cred.Username}, "offline_token": {"true"}, "scope": everything}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "/oauth2/token?"+q.Encode(), nil)
	if err != nil {
		return "", err
	}
	req.SetBasicAuth(cred.Username, cred.Password)
	return r.askToken(req)
}

func (r acrRegistry) askToken(req *http.Request) (string, error) {
	raw, _, err := r.answer(req)
	if err != nil {
		return "", err
	}
	var tokens struct {
		Access  string `json:"access_token"`
		Refresh string `json:"refresh_token"`
	}
	if err := json.Unmarshal(raw, &tokens); err != nil {
		return "", errors.New("the answer of the token service is no JSON") // it may hold secrets
	}
	if token := cmp.Or(tokens.Refresh, tokens.Access); token != "" {
		return token, nil
	}
	return "", errors.New("the token service gives no token")
}
