package armapi

import (
	"fmt"
	"net/http"

	"github.com/orlop/orlop/internal/authn"
	"github.com/orlop/orlop/internal/gate"
)

// directoryError is an error of the directory (RFC 6749 section 5.2). Clients
// print its text and look the number up.
type directoryError struct {
	status int
	code   string
	number int // of Microsoft Entra ID: AADSTS…
	text   string
}

func (e *directoryError) Error() string { return fmt.Sprintf("AADSTS%d: %s", e.number, e.text) }

// Errors of the directory.
var (
	errTenant = &directoryError{http.StatusBadRequest, "invalid_tenant", 90002,
		"There is no such tenant here. The tenant of this server is in the answer to the creation of a service principal."}
	errInstance = &directoryError{http.StatusBadRequest, "invalid_instance", 50049, "Unknown or invalid instance."}
	errForm     = &directoryError{http.StatusBadRequest, "invalid_request", 900144, "The body must be a form, application/x-www-form-urlencoded."}
	errGrant    = &directoryError{http.StatusBadRequest, "unsupported_grant_type", 70003,
		"Only the grant type client_credentials is supported. Sign in as a service principal."}
	errResource = &directoryError{http.StatusBadRequest, "invalid_resource", 500011,
		"No such resource: ask for this server's own URL, or for " + authn.DataAudience + "."}
	errNoClient = &directoryError{http.StatusUnauthorized, "invalid_client", 7000216, "client_id and client_secret are required."}
	errClient   = &directoryError{http.StatusUnauthorized, "invalid_client", 7000215,
		"The application is unknown, or its secret is wrong or has expired."}
)

// fail answers with an error of the directory.
func fail(w http.ResponseWriter, e *directoryError) {
	gate.WriteJSON(w, e.status, map[string]any{
		"error": e.code, "error_description": e.Error(), "error_codes": []int{e.number},
		"correlation_id": w.Header().Get(gate.RequestIDHeader),
	})
}

// resourceError is an error of Resource Manager.
type resourceError struct {
	status int
	code   string
	text   string
}

func (e *resourceError) Error() string { return e.text }

// Errors of Resource Manager.
var (
	errSignIn = &resourceError{http.StatusUnauthorized, "AuthenticationFailed", "Authentication failed. Sign in again: the token is absent, wrong, expired or revoked."}
	errNoPath = &resourceError{http.StatusNotFound, "ResourceNotFound", "There is no such resource on this server."}
	errFilter = &resourceError{http.StatusBadRequest, "InvalidFilterInQueryString", "Only $filter=resourceType eq '...' is understood."}
	// errNoAdminUser has the code of Azure, by which clients know it.
	errNoAdminUser = &resourceError{http.StatusBadRequest, "UnAuthorizedForCredentialOperations",
		"Cannot perform credential operations: the admin user is disabled."}
	errBody = &resourceError{http.StatusBadRequest, "InvalidRequestContent", "The body must be one JSON object."}
)

// errNotHere refuses a setting that this server has not.
func errNotHere(why string) *resourceError {
	return &resourceError{http.StatusConflict, "OperationNotAllowed", "This server cannot do that: " + why + "."}
}

func errDays(field string, low, high int) *resourceError {
	return &resourceError{http.StatusBadRequest, "InvalidParameter", fmt.Sprintf("%s must be from %d to %d.", field, low, high)}
}

// errReadOnly refuses what would change the registry.
var errReadOnly = &resourceError{http.StatusMethodNotAllowed, "OperationNotAllowed",
	`This server cannot be changed through Resource Manager. Use "orlop acr" or orlopd's configuration.`}

func errForbidden(client, action, scope string) *resourceError {
	return &resourceError{http.StatusForbidden, "AuthorizationFailed",
		fmt.Sprintf("The client '%s' does not have authorization to perform action '%s' over scope '%s'.", client, action, scope)}
}

// refuse answers with an error of Resource Manager.
func refuse(w http.ResponseWriter, e *resourceError) {
	gate.WriteJSON(w, e.status, map[string]any{"error": map[string]string{"code": e.code, "message": e.text}})
}
