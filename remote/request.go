package remote

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/orlop/orlop"
	"github.com/orlop/orlop/remote/auth"
)

// maxPage is the largest page of a list or index that is read, in bytes.
const maxPage = 4 << 20

// call is a request to the registry and what is a good answer to it.
type call struct {
	method string
	path   string // below the origin, or
	url    *url.URL
	query  url.Values
	header http.Header
	body   io.Reader
	size   int64 // of body, in bytes
	scopes []string
	want   []int        // good statuses
	absent *orlop.Error // what 404 means
	// mediaType is what the answer must be exactly, if not empty.
	mediaType string
}

var errMediaType = errors.New("the answer has another media type than was asked for")

func pull(repo string) []string   { return []string{auth.Scope(repo, "pull")} }
func push(repo string) []string   { return []string{auth.Scope(repo, "pull", "push")} }
func remove(repo string) []string { return []string{auth.Scope(repo, "delete")} }

// send sends a call. The caller closes the body of the answer.
func (r *Registry) send(ctx context.Context, c call) (*http.Response, error) {
	u := c.url
	if u == nil {
		u = &url.URL{Path: c.path}
	}
	if len(c.query) > 0 {
		u = withQuery(u, c.query)
	}
	req, err := http.NewRequestWithContext(ctx, c.method, u.String(), c.body)
	if err != nil {
		return nil, err
	}
	if c.header != nil {
		req.Header = c.header.Clone()
	}
	if c.body != nil {
		req.ContentLength = c.size
	}
	resp, err := r.Do(req, c.scopes...)
	if err != nil {
		return nil, err
	}
	r.learn(resp)
	if err := c.accept(resp); err != nil {
		_ = drop(resp)
		return nil, err
	}
	return resp, nil
}

// accept checks the status, and that the content is as it is named: a coding
// such as gzip would hide what its size and digest are.
func (c call) accept(resp *http.Response) error {
	if !slices.Contains(c.want, resp.StatusCode) {
		return failure(resp, c.absent)
	}
	if coding := resp.Header.Get("Content-Encoding"); coding != "" && !strings.EqualFold(coding, "identity") {
		return c.bad(resp, "the answer is encoded with %.40q, which was not asked for", coding)
	}
	if c.mediaType != "" && resp.Header.Get("Content-Type") != c.mediaType {
		return c.bad(resp, "%w: %.100q", errMediaType, resp.Header.Get("Content-Type"))
	}
	return nil
}

// bad is the error of an answer that breaks the protocol.
func (c call) bad(resp *http.Response, format string, args ...any) error {
	return &requestError{method: c.method, url: scrub(resp.Request.URL), err: fmt.Errorf(format, args...), resp: resp}
}

// withQuery returns u with parameters added to those that it has. What is
// there is kept byte for byte: an upload's location is not ours to rewrite.
func withQuery(u *url.URL, q url.Values) *url.URL {
	c := *u
	if c.RawQuery != "" {
		c.RawQuery += "&"
	}
	c.RawQuery += q.Encode()
	return &c
}

// drop ends an answer so that its connection can be used again, if little is
// left of it.
func drop(resp *http.Response) error {
	_, _ = io.CopyN(io.Discard, resp.Body, 64<<10)
	return resp.Body.Close()
}

// readAll reads a body of at most limit bytes.
func readAll(resp *http.Response, limit int64) ([]byte, error) {
	if resp.ContentLength > limit {
		return nil, fmt.Errorf("the answer has %d bytes, more than %d", resp.ContentLength, limit)
	}
	raw, err := io.ReadAll(io.LimitReader(resp.Body, limit+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("read the answer: %w", err)
	case int64(len(raw)) > limit:
		return nil, fmt.Errorf("the answer has more than %d bytes", limit)
	}
	return raw, nil
}

// follow returns where a Location or Link header leads: a place at the
// registry's own origin, or an error.
func (r *Registry) follow(resp *http.Response, target string) (*url.URL, error) {
	u, err := resp.Request.URL.Parse(target)
	if err != nil || target == "" {
		return nil, fmt.Errorf("the registry names no place to go on: %.200q", target)
	}
	if !auth.SameOrigin(u, r.origin) || u.User != nil {
		return nil, fmt.Errorf("%w: the registry names a place elsewhere to go on: %s", ErrRedirect, scrub(u))
	}
	u.Fragment = ""
	return u, nil
}
