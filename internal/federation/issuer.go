package federation

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"sync"

	"github.com/coreos/go-oidc/v3/oidc"

	"github.com/orlop/orlop/internal/authn"
)

// algorithms are the signatures that are taken: those of key pairs. One that a
// public key could be taken for the secret of is not among them.
var algorithms = []string{
	oidc.RS256, oidc.RS384, oidc.RS512, oidc.PS256, oidc.PS384, oidc.PS512, oidc.ES256, oidc.ES384, oidc.ES512, oidc.EdDSA,
}

// issuer is one that is trusted, with its keys once they were needed.
type issuer struct {
	config Issuer
	client *http.Client

	mu   sync.Mutex
	keys oidc.KeySet // nil until the issuer was discovered
}

func newIssuer(c Issuer) *issuer {
	return &issuer{config: c, client: newClient(c)}
}

// inherit takes over the keys, and the limits on fetching them, of the same
// issuer under another configuration; before may be nil.
func (i *issuer) inherit(before *issuer) {
	if before == nil || before.config.AllowLoopback != i.config.AllowLoopback || before.config.Proxy != i.config.Proxy {
		return
	}
	before.mu.Lock()
	defer before.mu.Unlock()
	i.client, i.keys = before.client, before.keys
}

// verify checks signature, issuer and audience of a token and returns its
// payload.
func (i *issuer) verify(ctx context.Context, token string) ([]byte, error) {
	keys, err := i.discovered(ctx)
	if err != nil {
		return nil, err
	}
	w := &witness{keys: keys}
	verifier := oidc.NewVerifier(i.config.Issuer, w, &oidc.Config{
		ClientID:             i.config.Audience,
		SupportedSigningAlgs: algorithms,
		SkipExpiryCheck:      true, // see claims.current
	})
	if _, err := verifier.Verify(ctx, token); err != nil {
		if w.unreachable != nil {
			return nil, fmt.Errorf("%w: %w", authn.ErrIssuerUnavailable, w.unreachable)
		}
		return nil, err
	}
	return w.payload, nil
}

// discovered returns the keys of the issuer, which it finds by its discovery
// document. They are fetched when a token needs one that is not known.
func (i *issuer) discovered(ctx context.Context) (oidc.KeySet, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.keys != nil {
		return i.keys, nil
	}
	ctx = oidc.ClientContext(ctx, i.client)
	p, err := oidc.NewProvider(ctx, i.config.Issuer)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", authn.ErrIssuerUnavailable, err)
	}
	var doc struct {
		JWKS string `json:"jwks_uri"`
	}
	if err := p.Claims(&doc); err != nil {
		return nil, fmt.Errorf("%w: %w", authn.ErrIssuerUnavailable, err)
	}
	if err := checkURL(doc.JWKS, i.config.AllowLoopback); err != nil {
		return nil, fmt.Errorf("%w: jwks_uri: %w", authn.ErrIssuerUnavailable, err)
	}
	i.keys = oidc.NewRemoteKeySet(ctx, doc.JWKS)
	return i.keys, nil
}

// witness is a set of keys that notes the payload, and whether the keys could
// not be fetched.
type witness struct {
	keys        oidc.KeySet
	payload     []byte
	unreachable error
}

// VerifySignature implements oidc.KeySet.
func (w *witness) VerifySignature(ctx context.Context, jwt string) ([]byte, error) {
	payload, err := w.keys.VerifySignature(ctx, jwt)
	if _, ok := errors.AsType[*url.Error](err); ok && !errors.Is(err, errTooOften) {
		w.unreachable = err
	}
	w.payload = payload
	return payload, err
}
