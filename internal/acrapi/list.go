package acrapi

import (
	"net/http"

	"github.com/orlop/orlop/internal/gate"
	"github.com/orlop/orlop/internal/meta"
	"github.com/orlop/orlop/ref"
)

// listRepositories lists the repositories that the caller may see.
func listRepositories(h http.Header, c *call) (any, error) {
	p, err := parsePage(c.URL.RawQuery)
	if err != nil {
		return nil, err
	}
	var names []string
	var more bool
	if p.N > 0 {
		names, more, err = c.reg.RepositoriesPage(c.Context(), p.Last, p.N, c.caller.Sees)
		if err != nil {
			return nil, err
		}
	}
	if more {
		p.setNext(h, "/acr/v1/_catalog", names[len(names)-1])
	}
	return catalog{names}, nil
}

// listTags lists tags, of one manifest if the query names a digest.
func listTags(h http.Header, c *call) (any, error) {
	p, err := parsePage(c.URL.RawQuery)
	if err != nil {
		return nil, err
	}
	q := meta.TagQuery{After: p.Last, N: max(p.N, 1), Order: p.order}
	if s := p.Query.Get("digest"); s != "" {
		if q.Digest, err = ref.ValidateDigest(s); err != nil {
			return nil, errDigest
		}
	}
	infos, more, err := c.reg.TagInfos(c.Context(), c.repo, q)
	if err != nil {
		return nil, err
	}
	if p.N == 0 { // one was asked for to learn whether the repository is there
		infos, more = nil, false
	}
	if more {
		p.setNext(h, "/acr/v1/"+c.repo+"/_tags", infos[len(infos)-1].Name)
	}
	result := tagList{image: c.image()}
	for i := range infos {
		result.Tags = append(result.Tags, newTag(&infos[i]))
	}
	return result, nil
}

// listManifests lists manifests.
func listManifests(h http.Header, c *call) (any, error) {
	p, err := parsePage(c.URL.RawQuery)
	if err != nil {
		return nil, err
	}
	if p.Last != "" {
		if _, err := ref.ValidateDigest(p.Last); err != nil {
			return nil, gate.ErrLast
		}
	}
	q := meta.ManifestQuery{After: p.Last, N: max(p.N, 1), Order: p.order}
	infos, more, err := c.reg.ManifestInfos(c.Context(), c.repo, q)
	if err != nil {
		return nil, err
	}
	if p.N == 0 {
		infos, more = nil, false
	}
	if more {
		p.setNext(h, "/acr/v1/"+c.repo+"/_manifests", infos[len(infos)-1].Digest.String())
	}
	result := manifestList{image: c.image()}
	for i := range infos {
		result.Manifests = append(result.Manifests, newManifest(&infos[i]))
	}
	return result, nil
}
