package remote

import (
	"context"
	"encoding/json"
	"errors"
	"hash/maphash"
	"iter"
	"net/http"
	"net/url"
	"slices"
	"strconv"

	"github.com/orlop/orlop"
	"github.com/orlop/orlop/remote/auth"
)

const (
	maxPages      = 100_000 // of one list
	maxEmptyPages = 16      // in a row
)

// ErrEndless reports a list whose pages lead nowhere.
var ErrEndless = errors.New("the registry's list does not end")

// Repositories implements orlop.Lister. The order is the registry's, byte
// order if it follows the specification.
func (r *Registry) Repositories(ctx context.Context, after string) iter.Seq2[string, error] {
	c := call{path: "/v2/_catalog", scopes: []string{auth.CatalogScope}, absent: orlop.ErrUnsupported}
	return r.names(ctx, c, "repositories", after)
}

// Tags implements orlop.Lister. The order is the registry's, byte order if it
// follows the specification.
func (r *Registry) Tags(ctx context.Context, repo, after string) iter.Seq2[string, error] {
	if err := orlop.ValidateRepository(repo); err != nil {
		return func(yield func(string, error) bool) { yield("", err) }
	}
	c := call{path: "/v2/" + repo + "/tags/list", scopes: pull(repo), absent: orlop.ErrNameUnknown}
	return r.names(ctx, c, "tags", after)
}

// names yields the names in a field of all pages of a list, those after a name.
func (r *Registry) names(ctx context.Context, c call, field, after string) iter.Seq2[string, error] {
	c.method, c.want = http.MethodGet, []int{http.StatusOK}
	c.query = url.Values{"n": {strconv.Itoa(r.o.PageSize)}}
	if after != "" {
		c.query.Set("last", after)
	}
	decode := func(raw []byte) ([]string, error) { return decodeNames(raw, field) }
	return func(yield func(string, error) bool) {
		for names, err := range pages(ctx, r, c, decode) {
			if err != nil {
				yield("", err)
				return
			}
			if i := slices.Index(names, after); i >= 0 {
				names = names[i+1:] // this registry does not know the parameter last
			}
			for _, name := range names {
				if !yield(name, nil) {
					return
				}
			}
		}
	}
}

func decodeNames(raw []byte, field string) (names []string, err error) {
	var page map[string]json.RawMessage
	if err := json.Unmarshal(raw, &page); err != nil {
		return nil, err
	}
	if page[field] == nil {
		return nil, nil
	}
	return names, json.Unmarshal(page[field], &names)
}

// pages yields the decoded pages of a list and follows their links, as long as
// they lead to pages that were not there before.
func pages[T any](ctx context.Context, r *Registry, c call, decode func([]byte) ([]T, error)) iter.Seq2[[]T, error] {
	return func(yield func([]T, error) bool) {
		seed, seen, empty := maphash.MakeSeed(), map[uint64]bool{}, 0
		for range maxPages {
			raw, next, err := r.page(ctx, &c)
			if err != nil {
				yield(nil, err)
				return
			}
			items, err := decode(raw)
			if err != nil {
				yield(nil, &requestError{method: c.method, url: r.origin.String() + c.path, err: err})
				return
			}
			if !yield(items, nil) || next == nil {
				return
			}
			if empty++; len(items) > 0 {
				empty = 0
			}
			place, content := maphash.String(seed, next.String()), maphash.Bytes(seed, raw)
			if seen[place] || len(items) > 0 && seen[content] || empty > maxEmptyPages {
				break
			}
			seen[place], seen[content] = true, true
			c.url, c.query = next, nil
		}
		yield(nil, &requestError{method: c.method, url: r.origin.String() + c.path, err: ErrEndless})
	}
}

// page reads one page and finds the next. A registry that refuses the number
// of names is asked without one.
func (r *Registry) page(ctx context.Context, c *call) (raw []byte, next *url.URL, err error) {
	err = r.retry(ctx, func() error {
		resp, err := r.send(ctx, *c)
		if errors.Is(err, orlop.ErrPaginationInvalid) && c.query.Has("n") {
			c.query.Del("n")
			resp, err = r.send(ctx, *c)
		}
		if err != nil {
			return err
		}
		defer func() { _ = drop(resp) }()
		if raw, err = readAll(resp, maxPage); err != nil {
			return c.bad(resp, "%w", err)
		}
		if target, ok := parseLink(resp.Header.Values("Link")); ok {
			if next, err = r.follow(resp, target); err != nil {
				return c.bad(resp, "%w", err)
			}
		}
		return nil
	})
	return raw, next, err
}
