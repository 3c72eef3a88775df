package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"net/http"
	"net/url"

	"github.com/orlop/orlop/remote"
)

// Doer sends requests to a registry with the caller's credentials. A URL
// without a host is relative to the registry. remote.Registry is one.
type Doer interface {
	Do(req *http.Request, scopes ...string) (*http.Response, error)
}

var _ Doer = (*remote.Registry)(nil)

// maxBody is the longest answer that is read, in bytes.
const maxBody = 4 << 20

// Client calls the management API. Its errors match the values of package
// orlop: ErrUnauthorized, ErrDenied.
type Client struct{ registry Doer }

// NewClient returns a client of the API of a registry.
func NewClient(registry Doer) *Client { return &Client{registry: registry} }

// CreateServicePrincipal makes an application and returns its secret, which
// nobody can get again.
func (c *Client) CreateServicePrincipal(ctx context.Context, p NewServicePrincipal) (Credential, error) {
	var out Credential
	err := c.call(ctx, http.MethodPost, "service-principals", p, &out)
	return out, err
}

// ServicePrincipals lists all, by application id.
func (c *Client) ServicePrincipals(ctx context.Context) iter.Seq2[ServicePrincipal, error] {
	return pages(ctx, c, "service-principals", func(p ServicePrincipals) ([]ServicePrincipal, bool) { return p.ServicePrincipals, p.More },
		func(p ServicePrincipal) string { return p.AppID })
}

// DeleteServicePrincipal removes an application. Its credentials are refused
// from then on.
func (c *Client) DeleteServicePrincipal(ctx context.Context, appID string) error {
	return c.call(ctx, http.MethodDelete, "service-principals/"+url.PathEscape(appID), nil, nil)
}

// ResetCredential gives an application a new secret, in place of those it has
// unless Append says otherwise.
func (c *Client) ResetCredential(ctx context.Context, appID string, s NewSecret) (Credential, error) {
	var out Credential
	err := c.call(ctx, http.MethodPost, "service-principals/"+url.PathEscape(appID)+"/credential", s, &out)
	return out, err
}

// call sends in as JSON, if it is not nil, and decodes the answer into out.
func (c *Client) call(ctx context.Context, method, path string, in, out any) error {
	var body io.Reader = http.NoBody
	if in != nil {
		raw, err := json.Marshal(in)
		if err != nil {
			return fmt.Errorf("encode request: %w", err)
		}
		body = bytes.NewReader(raw)
	}
	req, err := http.NewRequestWithContext(ctx, method, Prefix+path, body)
	if err != nil {
		return err
	}
	if in != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := c.registry.Do(req, Scopes...)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode/100 != 2 {
		return remote.ResponseError(resp)
	}
	if out == nil {
		return nil
	}
	if err := json.NewDecoder(io.LimitReader(resp.Body, maxBody)).Decode(out); err != nil {
		return fmt.Errorf("decode answer of %s: %w", path, err)
	}
	return nil
}
