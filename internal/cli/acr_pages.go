package cli

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strconv"

	"github.com/orlop/orlop/remote/auth"
)

// acrListing is a list of the data plane, which comes in pages.
type acrListing struct {
	path, scope, key string // key: under which the answer has the list
	order            string // as the registry calls it
	top              int    // how many at most; 0: all
}

const (
	pageSize = 100       // items that are asked for at once, as az does
	maxList  = 256 << 20 // bytes of a list that are kept in memory
)

var errLongList = errors.New("the list is too long: ask for its first items by --top")

// list reads all pages of a list.
func (r acrRegistry) list(ctx context.Context, l acrListing) ([]json.RawMessage, error) {
	all := []json.RawMessage{}
	size := 0
	for path := l.first(); path != ""; {
		c := acrCall{method: http.MethodGet, path: path, scope: l.scope}
		page, next, err := r.page(ctx, c, l.key)
		if err != nil {
			return nil, err
		}
		for _, item := range page {
			size += len(item)
		}
		if size > maxList {
			return nil, errLongList
		}
		all = append(all, page...)
		if l.top > 0 && len(all) >= l.top {
			return all[:l.top], nil
		}
		if next == path || len(page) == 0 {
			break // a list that does not move on would never end
		}
		path = next
	}
	return all, nil
}

// first is the path of the first page.
func (l acrListing) first() string {
	n := pageSize
	if l.top > 0 {
		n = min(l.top, pageSize)
	}
	q := url.Values{"n": {strconv.Itoa(n)}}
	if l.order != "" {
		q.Set("orderby", l.order)
	}
	return l.path + "?" + q.Encode()
}

func (r acrRegistry) page(ctx context.Context, c acrCall, key string) (items []json.RawMessage, next string, err error) {
	raw, next, err := r.do(ctx, c)
	if err != nil {
		return nil, "", err
	}
	if raw, err = c.member(raw, key); err != nil {
		return nil, "", err
	}
	return items, next, json.Unmarshal(raw, &items)
}

// acrTag is what the commands themselves need to know of a tag.
type acrTag struct {
	Name   string `json:"name"`
	Digest string `json:"digest"`
}

// tags lists the tags of a repository with their attributes.
func (r acrRegistry) tags(ctx context.Context, repo string, o listOptions) ([]json.RawMessage, error) {
	return r.list(ctx, acrListing{
		path: metadataPath(repo, "/_tags"), key: "tags", scope: auth.Scope(repo, "metadata_read"),
		order: orders[o.orderBy], top: o.top,
	})
}

// manifests lists the manifests of a repository with their attributes.
func (r acrRegistry) manifests(ctx context.Context, repo string, o listOptions) ([]json.RawMessage, error) {
	return r.list(ctx, acrListing{
		path: metadataPath(repo, "/_manifests"), key: "manifests", scope: auth.Scope(repo, "metadata_read"),
		order: orders[o.orderBy], top: o.top,
	})
}

// decodeItems reads the fields of each item that T has.
func decodeItems[T any](items []json.RawMessage) ([]T, error) {
	all := make([]T, len(items))
	for i, raw := range items {
		if err := json.Unmarshal(raw, &all[i]); err != nil {
			return nil, err
		}
	}
	return all, nil
}
