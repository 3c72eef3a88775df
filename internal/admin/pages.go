package admin

import (
	"context"
	"iter"
	"net/http"
	"net/url"
)

// pages yields what a list has, page after page. items takes a page apart, key
// is the name of an item that the next page goes on after.
func pages[P, T any](ctx context.Context, c *Client, path string, items func(P) ([]T, bool), key func(T) string) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		query := ""
		for {
			var page P
			if err := c.call(ctx, http.MethodGet, path+query, nil, &page); err != nil {
				yield(*new(T), err)
				return
			}
			found, more := items(page)
			for _, item := range found {
				if !yield(item, nil) {
					return
				}
				query = "?last=" + url.QueryEscape(key(item))
			}
			if !more || len(found) == 0 {
				return
			}
		}
	}
}
