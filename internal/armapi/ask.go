package armapi

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"

	"github.com/google/uuid"
)

// AskTenant asks the server at a URL, without a slash at its end, for its
// tenant.
func AskTenant(ctx context.Context, c *http.Client, base string) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, base+"/metadata/endpoints?api-version=2019-05-01", nil)
	if err != nil {
		return "", err
	}
	resp, err := c.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return "", fmt.Errorf("GET %s: %s: it is no orlopd", req.URL, resp.Status)
	}
	var body struct {
		Authentication struct{ Tenant string }
	}
	if err := json.NewDecoder(io.LimitReader(resp.Body, maxBody)).Decode(&body); err != nil {
		return "", fmt.Errorf("GET %s: %w", req.URL, err)
	}
	if err := uuid.Validate(body.Authentication.Tenant); err != nil {
		return "", fmt.Errorf("GET %s: the tenant is no UUID", req.URL)
	}
	return body.Authentication.Tenant, nil
}
