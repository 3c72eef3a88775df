package cli

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/orlop/orlop"
	"github.com/orlop/orlop/remote/auth"
)

// exchange reads the token of an issuer from standard input and returns the
// identity token that the registry gives for it.
func (o *loginOptions) exchange(ctx context.Context, env *Env, host string) (auth.Credential, error) {
	if o.givesCredential() || o.passwordStdin || o.identityTokenStdin {
		return auth.Credential{}, usagef("--oidc-token-stdin excludes user names, passwords and other tokens")
	}
	token, err := readSecret(env.Stdin)
	if err != nil {
		return auth.Credential{}, fmt.Errorf("read the token from standard input: %w", err)
	}
	reg, err := o.openHost(ctx, env, host, auth.Credential{})
	if err != nil {
		return auth.Credential{}, err
	}
	form := url.Values{"grant_type": {"access_token"}, "service": {host}, "access_token": {token}}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "/oauth2/exchange", strings.NewReader(form.Encode()))
	if err != nil {
		return auth.Credential{}, err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	refresh, err := acrRegistry{reg}.askToken(req)
	if err != nil {
		return auth.Credential{}, exchangeFailure(host, err)
	}
	o.identityToken = refresh // counts as given, so that what is stored does not
	return auth.Credential{RefreshToken: refresh}, nil
}

func exchangeFailure(host string, err error) error {
	err = about(host, err)
	if errors.Is(err, orlop.ErrUnauthorized) || errors.Is(err, orlop.ErrDenied) {
		return withHint(err, "%s does not accept this token: it may have expired, be for another audience, or match no rule; the server's log says which", host)
	}
	return err
}
