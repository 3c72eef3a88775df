package adminapi

import (
	"errors"
	"net/http"

	"github.com/orlop/orlop"
	"github.com/orlop/orlop/internal/authn"
	"github.com/orlop/orlop/internal/hosting"
)

// answers are the errors of authn and hosting that the caller can do something about.
var answers = []struct {
	err    error
	status int
	code   string
}{
	{authn.ErrNoPrincipal, http.StatusNotFound, "PRINCIPAL_UNKNOWN"},
	{authn.ErrNoSecret, http.StatusNotFound, "CREDENTIAL_UNKNOWN"},
	{authn.ErrNoScopeMap, http.StatusNotFound, "SCOPE_MAP_UNKNOWN"},
	{authn.ErrNoAssignment, http.StatusNotFound, "ROLE_ASSIGNMENT_UNKNOWN"},
	{authn.ErrNoRepository, http.StatusNotFound, string(orlop.CodeNameUnknown)},
	{authn.ErrNameTaken, http.StatusConflict, "NAME_TAKEN"},
	{hosting.ErrUnknown, http.StatusNotFound, "REGISTRY_UNKNOWN"},
	{hosting.ErrTaken, http.StatusConflict, "NAME_TAKEN"},
	{hosting.ErrNoDomain, http.StatusConflict, "NO_DOMAIN"},
	{hosting.ErrDefault, http.StatusConflict, "DEFAULT_REGISTRY"},
	{hosting.ErrName, http.StatusBadRequest, codeInvalid},
	{authn.ErrScopeMapUsed, http.StatusConflict, "IN_USE"},
	{authn.ErrTooManySecrets, http.StatusConflict, "TOO_MANY"},
	{authn.ErrTooManyRoles, http.StatusConflict, "TOO_MANY"},
	{authn.ErrLastOwner, http.StatusConflict, "LAST_OWNER"},
	{authn.ErrNoRoles, http.StatusBadRequest, codeInvalid},
	{authn.ErrBuiltinScopeMap, http.StatusBadRequest, codeInvalid},
	{authn.ErrUserName, http.StatusBadRequest, codeInvalid},
	{authn.ErrTokenName, http.StatusBadRequest, codeInvalid},
	{authn.ErrPasswordName, http.StatusBadRequest, codeInvalid},
	{authn.ErrAdminPasswordName, http.StatusBadRequest, codeInvalid},
	{authn.ErrWeakPassword, http.StatusBadRequest, codeInvalid},
	{authn.ErrExpiry, http.StatusBadRequest, codeInvalid},
}

const codeInvalid = "INVALID_REQUEST"

// explain gives the errors of authn and hosting their answers.
func explain(err error) error {
	for _, a := range answers {
		if errors.Is(err, a.err) {
			return &orlop.Error{Code: a.code, Status: a.status, Message: a.err.Error()}
		}
	}
	return err
}
