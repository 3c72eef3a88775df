package armapi

import (
	"errors"
	"net/http"
	"strings"

	"github.com/orlop/orlop/internal/hosting"
)

// putRegistry makes a registry, or changes one that is there.
func (a *API) putRegistry(w http.ResponseWriter, r *http.Request, c *client) error {
	var in change
	if err := readJSON(w, r, &in); err != nil {
		return err
	}
	if err := in.check(); err != nil {
		return err
	}
	if c.registry.ID == 0 {
		reg, err := a.o.Registries.Create(r.Context(), strings.ToLower(c.named.registry))
		if err != nil {
			return explainRegistry(err)
		}
		c.registry, _ = a.view(c.place, reg)
	}
	if err := a.apply(r.Context(), c.registry.ID, &in); err != nil {
		return err
	}
	return a.showRegistry(w, r, c)
}

func (a *API) deleteRegistry(w http.ResponseWriter, r *http.Request, c *client) error {
	if err := a.o.Registries.Delete(r.Context(), c.registry.Name); err != nil {
		return explainRegistry(err)
	}
	w.WriteHeader(http.StatusOK)
	return nil
}

// explainRegistry gives the errors of hosting their answers.
func explainRegistry(err error) error {
	switch {
	case errors.Is(err, hosting.ErrName):
		return &resourceError{http.StatusBadRequest, "InvalidResourceName", err.Error()}
	case errors.Is(err, hosting.ErrTaken):
		return &resourceError{http.StatusConflict, "AlreadyInUse", err.Error()}
	case errors.Is(err, hosting.ErrNoDomain), errors.Is(err, hosting.ErrDefault):
		return &resourceError{http.StatusConflict, "OperationNotAllowed", err.Error()}
	case errors.Is(err, hosting.ErrUnknown):
		return errNoPath
	}
	return err
}
