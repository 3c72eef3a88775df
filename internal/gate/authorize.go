package gate

import (
	"net/http"

	"github.com/orlop/orlop"
	"github.com/orlop/orlop/internal/authz"
)

// Authorize finds out who the request comes from and demands every access. With
// none demanded it wants somebody who has signed in, as GET /v2/ does. Its
// errors are for WriteError.
func (g *Gate) Authorize(r *http.Request, want ...authz.Access) (*Caller, error) {
	return nil, orlop.ErrUnauthorized
}

// WriteError answers with an error as the specification's JSON.
func (g *Gate) WriteError(w http.ResponseWriter, r *http.Request, err error) {}

// WriteJSON answers with v as JSON.
func WriteJSON(w http.ResponseWriter, status int, v any) {}
