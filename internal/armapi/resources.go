package armapi

import (
	"net/http"
	"regexp"
	"strings"

	"github.com/orlop/orlop/internal/gate"
)

// writeList answers with a list that has no further page.
func writeList(w http.ResponseWriter, items ...any) error {
	if items == nil {
		items = []any{}
	}
	gate.WriteJSON(w, http.StatusOK, map[string]any{"value": items})
	return nil
}

func (a *API) listTenants(w http.ResponseWriter, _ *http.Request, c *client) error {
	return writeList(w, map[string]any{
		"id": "/tenants/" + c.tenant, "tenantId": c.tenant, "displayName": "Orlop", "tenantCategory": "Home",
	})
}

func (c *client) describeSubscription() map[string]any {
	return map[string]any{
		"id": "/subscriptions/" + c.subscription, "subscriptionId": c.subscription, "tenantId": c.tenant,
		"displayName": "Orlop", "state": "Enabled", "authorizationSource": "RoleBased",
		"subscriptionPolicies": map[string]string{"spendingLimit": "Off"},
	}
}

func (a *API) listSubscriptions(w http.ResponseWriter, _ *http.Request, c *client) error {
	return writeList(w, c.describeSubscription())
}

func (a *API) showSubscription(w http.ResponseWriter, _ *http.Request, c *client) error {
	gate.WriteJSON(w, http.StatusOK, c.describeSubscription())
	return nil
}

func (a *API) listLocations(w http.ResponseWriter, _ *http.Request, c *client) error {
	return writeList(w, map[string]any{
		"id": "/subscriptions/" + c.subscription + "/locations/" + location, "name": location, "displayName": location,
	})
}

func (c *client) describeGroup() map[string]any {
	return map[string]any{
		"id": c.groupID(), "name": group, "type": "Microsoft.Resources/resourceGroups", "location": location,
		"properties": map[string]string{"provisioningState": "Succeeded"},
	}
}

func (a *API) listGroups(w http.ResponseWriter, _ *http.Request, c *client) error {
	return writeList(w, c.describeGroup())
}

func (a *API) showGroup(w http.ResponseWriter, _ *http.Request, c *client) error {
	gate.WriteJSON(w, http.StatusOK, c.describeGroup())
	return nil
}

// typeFilter is the one filter that "az acr" uses.
var typeFilter = regexp.MustCompile(`(?i)^\s*resourceType\s+eq\s+'([^']*)'\s*$`)

func (a *API) listResources(w http.ResponseWriter, r *http.Request, c *client) error {
	if filter := r.URL.Query().Get("$filter"); filter != "" {
		m := typeFilter.FindStringSubmatch(filter)
		if m == nil {
			return errFilter
		}
		if !strings.EqualFold(m[1], provider+"/registries") {
			return writeList(w)
		}
	}
	found, err := a.visible(r, c)
	if err != nil {
		return err
	}
	var out []any
	for _, v := range found {
		out = append(out, map[string]any{
			"id": c.registryID(v.name), "name": v.name, "type": provider + "/registries", "location": location,
			"sku": skuPremium, "tags": map[string]string{},
		})
	}
	return writeList(w, out...)
}

func (a *API) listNone(w http.ResponseWriter, _ *http.Request, _ *client) error { return writeList(w) }
