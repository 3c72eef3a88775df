package azuresdk

import (
	"net/http"
	"strings"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	"github.com/Azure/azure-sdk-for-go/sdk/containers/azcontainerregistry"
)

// TestTokens gets a token of the directory, and for it those of the registry.
func TestTokens(t *testing.T) {
	a := newApplication(t, "AcrPull")
	ctx := t.Context()
	for _, scope := range []string{endpoint + "/.default", acrAudience + "/.default"} {
		token := must(a.credential(t).GetToken(ctx, policy.TokenRequestOptions{Scopes: []string{scope}}))(t)
		if token.ExpiresOn.IsZero() {
			t.Error("it has no end")
		}
		c := must(azcontainerregistry.NewAuthenticationClient(endpoint, &azcontainerregistry.AuthenticationClientOptions{ClientOptions: clientOptions()}))(t)
		refresh := must(c.ExchangeAADAccessTokenForACRRefreshToken(ctx, azcontainerregistry.PostContentSchemaGrantTypeAccessToken, service(t),
			&azcontainerregistry.AuthenticationClientExchangeAADAccessTokenForACRRefreshTokenOptions{AccessToken: &token.Token, Tenant: &a.Tenant}))(t)
		access := must(c.ExchangeACRRefreshTokenForACRAccessToken(ctx, service(t), "registry:catalog:*", *refresh.RefreshToken,
			&azcontainerregistry.AuthenticationClientExchangeACRRefreshTokenForACRAccessTokenOptions{GrantType: to.Ptr(azcontainerregistry.TokenGrantTypeRefreshToken)}))(t)
		req, _ := http.NewRequestWithContext(ctx, http.MethodGet, endpoint+"/acr/v1/_catalog", nil)
		req.Header.Set("Authorization", "Bearer "+*access.AccessToken)
		resp := must(transport.Do(req))(t)
		resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			t.Errorf("%s: %s", scope, resp.Status)
		}
		if _, err := c.ExchangeAADAccessTokenForACRRefreshToken(ctx, azcontainerregistry.PostContentSchemaGrantTypeAccessToken, service(t),
			&azcontainerregistry.AuthenticationClientExchangeAADAccessTokenForACRRefreshTokenOptions{AccessToken: access.AccessToken}); status(err) != http.StatusUnauthorized {
			t.Errorf("an access token is exchanged: %v", err)
		}
	}
}

func TestADFS(t *testing.T) {
	a := newApplication(t, "AcrPull")
	c := must(azidentity.NewClientSecretCredential("adfs", a.AppID, a.Password, &azidentity.ClientSecretCredentialOptions{
		ClientOptions: clientOptions(), DisableInstanceDiscovery: true,
	}))(t)
	must(c.GetToken(t.Context(), policy.TokenRequestOptions{Scopes: []string{endpoint + "/.default"}}))(t)
}

func TestWrongSecret(t *testing.T) {
	a := newApplication(t, "AcrPull")
	a.Password = "wrong"
	_, err := a.credential(t).GetToken(t.Context(), policy.TokenRequestOptions{Scopes: []string{endpoint + "/.default"}})
	if err == nil || !strings.Contains(err.Error(), "AADSTS7000215") {
		t.Errorf("%v", err)
	}
}

// TestTooLittle: a role that gives too little is refused, and says so by the
// status that the SDK knows.
func TestTooLittle(t *testing.T) {
	c := newApplication(t, "AcrPull").client(t)
	if _, err := c.DeleteRepository(t.Context(), "no/such", nil); status(err) != http.StatusUnauthorized && status(err) != http.StatusForbidden {
		t.Errorf("%v", err)
	}
	if _, err := c.GetRepositoryProperties(t.Context(), "no/such", nil); status(err) != http.StatusNotFound {
		t.Errorf("%v", err)
	}
}

// TestNobody: without a credential there is nothing but anonymous pull, which is
// off.
func TestNobody(t *testing.T) {
	c := must(azcontainerregistry.NewClient(endpoint, nil, &azcontainerregistry.ClientOptions{ClientOptions: clientOptions()}))(t)
	if _, err := c.GetManifest(t.Context(), "no/such", "1.0", nil); status(err) != http.StatusUnauthorized {
		t.Errorf("%v", err)
	}
}
