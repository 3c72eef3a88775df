package armapi

import (
	"context"
	"net/http"
	"strings"

	"github.com/orlop/orlop/internal/meta"
)

// change is what of a registry can be changed. Clients send much more, most of
// it as it was.
type change struct {
	Properties struct {
		AdminUserEnabled     *bool          `json:"adminUserEnabled"`
		AnonymousPullEnabled *bool          `json:"anonymousPullEnabled"`
		PublicNetworkAccess  string         `json:"publicNetworkAccess"`
		Policies             *policyChanges `json:"policies"`
	} `json:"properties"`
}

type policyChanges struct {
	Quarantine          onOff       `json:"quarantinePolicy"`
	Trust               onOff       `json:"trustPolicy"`
	Export              onOff       `json:"exportPolicy"`
	AuthenticationAsArm onOff       `json:"azureADAuthenticationAsArmPolicy"`
	SoftDelete          *softDelete `json:"softDeletePolicy"`
	Retention           *daysPolicy `json:"retentionPolicy"`
}

// Bounds of policies, in days; those of Azure.
const (
	maxSoftDelete = 90
	maxRetention  = 365
)

// check refuses what cannot be done here: who asks for protection must not take
// silence for it.
func (in *change) check() error {
	if strings.EqualFold(in.Properties.PublicNetworkAccess, "Disabled") {
		return errNotHere("the registry is not open to networks other than those that reach orlopd")
	}
	p := in.Properties.Policies
	switch {
	case p == nil:
		return nil
	case p.Quarantine.is(true):
		return errNotHere("there is no quarantine")
	case p.Trust.is(true):
		return errNotHere("there is no content trust; sign with tools that push signatures as referrers")
	case p.Export.is(false):
		return errNotHere("there is no export that could be forbidden")
	case p.SoftDelete != nil && p.SoftDelete.Status != "" && (p.SoftDelete.RetentionDays < 1 || p.SoftDelete.RetentionDays > maxSoftDelete):
		return errDays("softDeletePolicy.retentionDays", 1, maxSoftDelete)
	case p.Retention != nil && p.Retention.Status != "" && (p.Retention.Days < 0 || p.Retention.Days > maxRetention):
		return errDays("retentionPolicy.days", 0, maxRetention)
	}
	return nil
}

// is tells whether a switch was sent and is on, or off.
func (s onOff) is(on bool) bool { return strings.EqualFold(s.Status, status(on).Status) }

// updateRegistry changes the admin user, anonymous pull and policies.
func (a *API) updateRegistry(w http.ResponseWriter, r *http.Request, c *client) error {
	var in change
	if err := readJSON(w, r, &in); err != nil {
		return err
	}
	if err := in.check(); err != nil {
		return err
	}
	if err := a.apply(r.Context(), c.registry.ID, &in); err != nil {
		return err
	}
	return a.showRegistry(w, r, c)
}

// apply makes a change that was checked.
func (a *API) apply(ctx context.Context, registry int64, in *change) error {
	if on := in.Properties.AdminUserEnabled; on != nil {
		if err := a.o.Authn.SetAdminUser(ctx, registry, *on); err != nil {
			return explain(err)
		}
	}
	if in.Properties.AnonymousPullEnabled == nil && in.Properties.Policies == nil {
		return nil
	}
	return a.o.Authn.EditAccess(ctx, registry, func(access *meta.Access) {
		if on := in.Properties.AnonymousPullEnabled; on != nil {
			access.AnonymousPull = *on
		}
		a.applyPolicies(access, in.Properties.Policies)
	})
}

// applyPolicies takes over the policies that differ from those shown: clients
// send all back when they change one.
func (a *API) applyPolicies(access *meta.Access, p *policyChanges) {
	if p == nil {
		return
	}
	shown := a.describePolicies(*access)
	if p.AuthenticationAsArm.Status != "" {
		access.DataTokensOnly = p.AuthenticationAsArm.is(false)
	}
	if s := p.SoftDelete; s != nil && s.Status != "" && *s != shown.SoftDelete {
		access.SoftDelete = meta.Policy{Set: true, Enabled: s.is(true), Days: s.RetentionDays}
	}
	if s := p.Retention; s != nil && s.Status != "" && *s != shown.Retention {
		access.Retention = meta.Policy{Set: true, Enabled: s.is(true), Days: s.Days}
	}
}
