package gate

import (
	"strings"

	"github.com/orlop/orlop"
	"github.com/orlop/orlop/internal/authn"
	"github.com/orlop/orlop/internal/authz"
)

// refusal is why a request was not authorised.
type refusal struct {
	err       *orlop.Error
	challenge string // the WWW-Authenticate header; "" if none
}

func (e *refusal) Error() string { return e.err.Error() }

// Unwrap gives the error of the specification.
func (e *refusal) Unwrap() error { return e.err }

// errUnauthorized has the words of ACR, by which clients know it.
var errUnauthorized = orlop.ErrUnauthorized.With("authentication required, visit https://aka.ms/acr/authorization for more information.")

// refuse answers credentials, the value of the Authorization header, that were
// wrong, or that do not allow what was wanted.
func refuse(site Site, credentials string, wrong bool, want []authz.Access) error {
	bearer := authn.IsBearer(credentials)
	if credentials != "" && !bearer && !wrong {
		return &refusal{err: orlop.ErrDenied.WithDetail(details(want))}
	}
	err := errUnauthorized
	if len(want) > 0 {
		err = err.WithDetail(details(want))
	}
	return &refusal{err: err, challenge: challenge(site, want, bearer)}
}

// challenge is a WWW-Authenticate header (RFC 6750, and the token
// specification of distribution). There is no blank after a comma: clients
// split there.
func challenge(site Site, want []authz.Access, invalidToken bool) string {
	var b strings.Builder
	b.WriteString(`Bearer realm="` + site.Scheme + `://` + site.LoginServer + `/oauth2/token",service="` + site.LoginServer + `"`)
	for i, scope := range authz.ScopesFor(want) {
		if i == 0 {
			b.WriteString(`,scope="`)
		} else {
			b.WriteByte(' ')
		}
		b.WriteString(scope.String())
	}
	if len(want) > 0 {
		b.WriteByte('"')
	}
	if invalidToken {
		b.WriteString(`,error="invalid_token"`)
	}
	return b.String()
}

// detail is one missing right, in the body of a refusal.
type detail struct {
	Type   string
	Name   string
	Action authz.Action
}

func details(want []authz.Access) []detail {
	out := make([]detail, len(want))
	for i, w := range want {
		out[i] = detail(w)
	}
	return out
}
