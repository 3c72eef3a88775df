package acrapi

import (
	"net/http"
	"strconv"

	"github.com/opencontainers/go-digest"

	"github.com/orlop/orlop"
	"github.com/orlop/orlop/internal/gate"
	"github.com/orlop/orlop/ref"
)

// listDeletedRepositories lists the repositories that have something to restore
// and that the caller may see.
func listDeletedRepositories(h http.Header, c *call) (any, error) {
	p, err := parsePage(c.URL.RawQuery)
	if err != nil {
		return nil, err
	}
	names, more, err := c.reg.DeletedRepositoriesPage(c.Context(), p.Last, p.N, c.caller.Sees)
	if err != nil {
		return nil, err
	}
	if more && p.N > 0 {
		p.setNext(h, "/acr/v1/_deleted/_catalog", names[len(names)-1])
	}
	return catalog{names}, nil
}

// listDeletedManifests lists manifests that can be restored, by digest.
func listDeletedManifests(h http.Header, c *call) (any, error) {
	p, err := parsePage(c.URL.RawQuery)
	if err != nil {
		return nil, err
	}
	if p.Last != "" {
		if _, err := ref.ValidateDigest(p.Last); err != nil {
			return nil, gate.ErrLast
		}
	}
	found, more, err := c.reg.DeletedManifests(c.Context(), c.repo, digest.Digest(p.Last), p.N)
	if err != nil {
		return nil, err
	}
	if more && p.N > 0 {
		p.setNext(h, "/acr/v1/_deleted/"+c.repo+"/_manifests", found[len(found)-1].Digest.String())
	}
	result := deletedManifestList{image: c.image()}
	for i := range found {
		result.Manifests = append(result.Manifests, newDeletedManifest(&found[i]))
	}
	return result, nil
}

// listDeletedTags lists tags that can be restored. The last deleted is the last:
// the Azure CLI restores what it finds last.
func listDeletedTags(h http.Header, c *call) (any, error) {
	p, err := parsePage(c.URL.RawQuery)
	if err != nil {
		return nil, err
	}
	var after int64
	if p.Last != "" {
		if after, err = strconv.ParseInt(p.Last, 10, 64); err != nil {
			return nil, gate.ErrLast
		}
	}
	found, more, err := c.reg.DeletedTags(c.Context(), c.repo, after, p.N)
	if err != nil {
		return nil, err
	}
	if more && p.N > 0 {
		p.setNext(h, "/acr/v1/_deleted/"+c.repo+"/_tags", strconv.FormatInt(found[len(found)-1].ID, 10))
	}
	result := deletedTagList{image: c.image()}
	for _, t := range found {
		result.Tags = append(result.Tags, deletedTag{Tag: t.Name, Digest: t.Digest, DeletedAt: timestamp(t.Deleted), ExpiresAfter: timestamp(t.Expires)})
	}
	return result, nil
}

// restoreManifest makes a deleted manifest live again, with the tag that the
// body names, and describes it.
func restoreManifest(h http.Header, c *call) (any, error) {
	force := false
	if s := c.URL.Query().Get("force"); s != "" {
		var err error
		if force, err = strconv.ParseBool(s); err != nil {
			return nil, errForce
		}
	}
	var body struct{ Tag string }
	if err := c.readJSON(&body); err != nil {
		return nil, err
	}
	if err := c.reg.Restore(c.Context(), c.repo, c.digest, body.Tag, force); err != nil {
		return nil, err
	}
	return getManifest(h, c)
}

var errForce = &orlop.Error{
	Code: orlop.CodeUnsupported, Message: "invalid force: want true or false", Status: http.StatusBadRequest,
}
