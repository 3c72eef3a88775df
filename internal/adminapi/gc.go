package adminapi

import (
	"context"
	"net/http"

	"github.com/orlop/orlop/internal/admin"
	"github.com/orlop/orlop/internal/gate"
)

// Garbage is the garbage collector of the server, of all its registries: only who
// owns the server is told of it.
type Garbage interface {
	// Report tells what it is doing.
	Report(ctx context.Context) (admin.GC, error)
	// Trigger asks for a full cycle.
	Trigger()
}

func (a *API) getGC(w http.ResponseWriter, r *http.Request, _ *gate.Caller) error {
	return a.reportGC(w, r, http.StatusOK)
}

func (a *API) runGC(w http.ResponseWriter, r *http.Request, _ *gate.Caller) error {
	a.garbage.Trigger()
	return a.reportGC(w, r, http.StatusAccepted)
}

func (a *API) reportGC(w http.ResponseWriter, r *http.Request, status int) error {
	report, err := a.garbage.Report(r.Context())
	if err != nil {
		return err
	}
	w.Header().Set("Cache-Control", "no-store")
	gate.WriteJSON(w, status, report)
	return nil
}
