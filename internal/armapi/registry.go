package armapi

import (
	"context"
	"net/http"
	"strings"

	"github.com/orlop/orlop/internal/gate"
	"github.com/orlop/orlop/internal/meta"
)

// sku is what a registry would cost at Azure. Clients allow some things by it
// only.
type sku struct {
	Name string `json:"name"`
	Tier string `json:"tier"`
}

var skuPremium = sku{"Premium", "Premium"}

// registry is a registry as Resource Manager shows it (api-version
// 2022-02-01-preview).
type registry struct {
	ID         string            `json:"id"`
	Name       string            `json:"name"`
	Type       string            `json:"type"`
	Location   string            `json:"location"`
	Tags       map[string]string `json:"tags"`
	SKU        sku               `json:"sku"`
	Properties properties        `json:"properties"`
}

type properties struct {
	LoginServer           string    `json:"loginServer"`
	CreationDate          *moment   `json:"creationDate,omitempty"`
	ProvisioningState     string    `json:"provisioningState"`
	AdminUserEnabled      bool      `json:"adminUserEnabled"`
	AnonymousPullEnabled  bool      `json:"anonymousPullEnabled"`
	DataEndpointEnabled   bool      `json:"dataEndpointEnabled"`
	DataEndpointHostNames []string  `json:"dataEndpointHostNames"`
	PublicNetworkAccess   string    `json:"publicNetworkAccess"`
	NetworkRuleBypass     string    `json:"networkRuleBypassOptions"`
	ZoneRedundancy        string    `json:"zoneRedundancy"`
	RoleAssignmentMode    string    `json:"roleAssignmentMode"`
	Policies              policies  `json:"policies"`
	Encryption            onOff     `json:"encryption"`
	PrivateEndpoints      []string  `json:"privateEndpointConnections"`
	NetworkRuleSet        *struct{} `json:"networkRuleSet"`
}

// policies are switches of a registry. What Orlop has not is off.
type policies struct {
	Quarantine          onOff       `json:"quarantinePolicy"`
	Trust               trustPolicy `json:"trustPolicy"`
	Retention           daysPolicy  `json:"retentionPolicy"`
	Export              onOff       `json:"exportPolicy"`
	AuthenticationAsArm onOff       `json:"azureADAuthenticationAsArmPolicy"`
	SoftDelete          softDelete  `json:"softDeletePolicy"`
}

type onOff struct {
	Status string `json:"status"`
}

type trustPolicy struct {
	Type string `json:"type"`
	onOff
}

type daysPolicy struct {
	Days int `json:"days"`
	onOff
}

type softDelete struct {
	RetentionDays int `json:"retentionDays"`
	onOff
}

// usualDays is what Azure shows where a number of days has not been set.
const usualDays = 7

func status(on bool) onOff {
	if on {
		return onOff{"enabled"}
	}
	return onOff{"disabled"}
}

// describe gives a registry.
func (a *API) describe(ctx context.Context, c *client, v view) (registry, error) {
	access, err := a.o.Authn.Access(ctx, v.ID)
	if err != nil {
		return registry{}, err
	}
	admin, err := a.o.Authn.AdminUser(ctx, v.ID)
	if err != nil {
		return registry{}, err
	}
	mode := "LegacyRegistryPermissions"
	if access.RepositoryRoles {
		mode = "AbacRepositoryPermissions"
	}
	return registry{
		ID: c.registryID(v.name), Name: v.name, Type: provider + "/registries", Location: location, Tags: map[string]string{}, SKU: skuPremium,
		Properties: properties{
			LoginServer: v.loginServer, CreationDate: momentOf(v.Created), ProvisioningState: "Succeeded",
			AdminUserEnabled: admin.Enabled, AnonymousPullEnabled: access.AnonymousPull,
			DataEndpointHostNames: []string{}, PublicNetworkAccess: "Enabled", NetworkRuleBypass: "AzureServices",
			ZoneRedundancy: "Disabled", RoleAssignmentMode: mode, Encryption: status(false), PrivateEndpoints: []string{},
			Policies: a.describePolicies(access),
		},
	}, nil
}

func (a *API) describePolicies(access meta.Access) policies {
	deleting := softDelete{usualDays, status(false)}
	switch p := access.SoftDelete; {
	case p.Set:
		deleting = softDelete{p.Days, status(p.Enabled)}
	case a.o.SoftDeleteDays > 0:
		deleting = softDelete{a.o.SoftDeleteDays, status(true)}
	}
	retention := daysPolicy{usualDays, status(false)}
	if p := access.Retention; p.Set {
		retention = daysPolicy{p.Days, status(p.Enabled)}
	}
	return policies{
		Quarantine: status(false), Trust: trustPolicy{"Notary", status(false)}, Retention: retention,
		Export: status(true), AuthenticationAsArm: status(!access.DataTokensOnly), SoftDelete: deleting,
	}
}

func (a *API) showRegistry(w http.ResponseWriter, r *http.Request, c *client) error {
	described, err := a.describe(r.Context(), c, c.registry)
	if err != nil {
		return err
	}
	gate.WriteJSON(w, http.StatusOK, described)
	return nil
}

func (a *API) listRegistries(w http.ResponseWriter, r *http.Request, c *client) error {
	found, err := a.visible(r, c)
	if err != nil {
		return err
	}
	var out []any
	for _, v := range found {
		described, err := a.describe(r.Context(), c, v)
		if err != nil {
			return err
		}
		out = append(out, described)
	}
	return writeList(w, out...)
}

// usage is one line of "az acr show-usage".
type usage struct {
	Name         string `json:"name"`
	Limit        int64  `json:"limit"`
	CurrentValue int64  `json:"currentValue"`
	Unit         string `json:"unit"`
}

// limitSize is that of Azure's Premium, in bytes; nothing here enforces it.
const limitSize = 500 << 30

func (a *API) listUsages(w http.ResponseWriter, r *http.Request, c *client) error {
	size, err := a.o.Size(r.Context(), c.registry.ID)
	if err != nil {
		return err
	}
	return writeList(w, usage{"Size", limitSize, size, "Bytes"})
}

// checkName tells whether a registry could be made under a name.
func (a *API) checkName(w http.ResponseWriter, r *http.Request, c *client) error {
	var in struct{ Name string }
	if err := readJSON(w, r, &in); err != nil {
		return err
	}
	c.named.registry = in.Name
	reason, message := "", ""
	switch _, err := a.lookUp(r, c); {
	case err == nil:
		reason, message = "AlreadyExists", "The registry "+strings.ToLower(in.Name)+" is already in use."
	case !a.o.Registries.Possible():
		reason, message = "Invalid", "This server has no domain whose names could be registries."
	case !registryName.MatchString(in.Name):
		reason, message = "Invalid", "A registry name has 5 to 50 letters and digits."
	}
	answer := map[string]any{"nameAvailable": reason == ""}
	if reason != "" {
		answer["reason"], answer["message"] = reason, message
	}
	gate.WriteJSON(w, http.StatusOK, answer)
	return nil
}
