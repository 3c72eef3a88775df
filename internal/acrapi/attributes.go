package acrapi

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"

	"github.com/orlop/orlop"
	"github.com/orlop/orlop/internal/meta"
)

// updateRepository changes the attributes of a repository.
func updateRepository(_ http.Header, c *call) (any, error) {
	change, err := c.lockChange()
	if err != nil {
		return nil, err
	}
	info, err := c.reg.LockRepository(c.Context(), c.repo, change)
	if err != nil {
		return nil, err
	}
	return newRepository(c.image(), &info), nil
}

// updateTag changes the attributes of a tag.
func updateTag(_ http.Header, c *call) (any, error) {
	change, err := c.lockChange()
	if err != nil {
		return nil, err
	}
	info, err := c.reg.LockTag(c.Context(), c.repo, c.tag, change)
	if err != nil {
		return nil, err
	}
	return oneTag{image: c.image(), Tag: newTag(&info)}, nil
}

// updateManifest changes the attributes of a manifest.
func updateManifest(h http.Header, c *call) (any, error) {
	change, err := c.lockChange()
	if err != nil {
		return nil, err
	}
	if _, err := c.reg.LockManifest(c.Context(), c.repo, c.digest, change); err != nil {
		return nil, err
	}
	return getManifest(h, c)
}

// lockChange reads the body of a PATCH: any of the attributes that can be
// changed. What is not named stays, and other keys are for others.
func (c *call) lockChange() (meta.LockChange, error) {
	var body struct {
		DeleteEnabled, WriteEnabled, ReadEnabled, ListEnabled *bool

		QuarantineState string
	}
	var change meta.LockChange
	if err := c.readJSON(&body); err != nil {
		return change, err
	}
	// Who would keep an image back must not take silence for it.
	if s := body.QuarantineState; s != "" && !strings.EqualFold(s, "Passed") {
		return change, orlop.ErrUnsupported.With("there is no quarantine on this registry; readEnabled keeps a manifest back")
	}
	for _, a := range []struct {
		enabled *bool
		lock    meta.Locks
	}{
		{body.DeleteEnabled, meta.NoDelete}, {body.WriteEnabled, meta.NoWrite},
		{body.ReadEnabled, meta.NoRead}, {body.ListEnabled, meta.NoList},
	} {
		switch {
		case a.enabled == nil:
		case *a.enabled:
			change.Clear |= a.lock
		default:
			change.Set |= a.lock
		}
	}
	return change, nil
}

// maxBody is the largest body that is read, in bytes.
const maxBody = 64 << 10

// readJSON reads the body, a JSON object, into v; no body is an empty object.
func (c *call) readJSON(v any) error {
	raw, err := io.ReadAll(io.LimitReader(c.Body, maxBody+1))
	switch {
	case err != nil:
		return errBody.With("the body did not arrive whole")
	case len(raw) > maxBody:
		e := orlop.ErrSizeInvalid.With("request body is larger than 64 KiB")
		e.Status = http.StatusRequestEntityTooLarge
		return e
	case len(raw) == 0:
		return nil
	}
	err = json.Unmarshal(raw, v)
	if e, ok := errors.AsType[*json.UnmarshalTypeError](err); ok && e.Field != "" {
		return errBody.With("the value of " + e.Field + " in the body has the wrong type: want " + e.Type.Name())
	}
	if err != nil {
		return errBody
	}
	return nil
}

var errBody = &orlop.Error{
	Code: orlop.CodeUnsupported, Message: "the body is not a JSON object of attributes", Status: http.StatusBadRequest,
}
