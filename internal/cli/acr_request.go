package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/orlop/orlop/remote"
)

// acrRegistry is a registry with the ACR data plane under /acr/v1.
type acrRegistry struct {
	*remote.Registry
}

// maxAnswer is the largest answer, in bytes, that is read as JSON.
const maxAnswer = 32 << 20

// acrCall is a request to the data plane.
type acrCall struct {
	method, path, scope string
	body                any // sent as JSON; nil: nothing is sent
}

// do sends a call. It returns the answer's JSON, nil if there is none, and the
// URL of the next page, "" on the last one.
func (r acrRegistry) do(ctx context.Context, c acrCall) (raw json.RawMessage, next string, err error) {
	req, err := c.request(ctx)
	if err != nil {
		return nil, "", err
	}
	raw, header, err := r.answer(req, c.scope)
	if err != nil || len(raw) == 0 {
		return nil, "", err
	}
	if !json.Valid(raw) {
		return nil, "", fmt.Errorf("the answer to %s %s is no JSON", c.method, c.path)
	}
	return raw, nextPage(header), nil
}

// answer sends a request and reads the answer.
func (r acrRegistry) answer(req *http.Request, scopes ...string) ([]byte, http.Header, error) {
	resp, err := r.Do(req, scopes...)
	if err != nil {
		return nil, nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode/100 != 2 {
		return nil, nil, remote.ResponseError(resp)
	}
	raw, err := io.ReadAll(http.MaxBytesReader(nil, resp.Body, maxAnswer))
	if err != nil {
		return nil, nil, fmt.Errorf("read the answer to %s %s: %w", req.Method, req.URL.Path, err)
	}
	return bytes.TrimSpace(raw), resp.Header, nil
}

func (c acrCall) request(ctx context.Context) (*http.Request, error) {
	if c.body == nil {
		return http.NewRequestWithContext(ctx, c.method, c.path, nil)
	}
	body, err := json.Marshal(c.body)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, c.method, c.path, bytes.NewReader(body))
	if err == nil {
		req.Header.Set("Content-Type", "application/json")
	}
	return req, err
}

// nextPage reads the relative URL of a Link header with rel="next".
func nextPage(header http.Header) string {
	link := header.Get("Link")
	start, end := strings.IndexByte(link, '<'), strings.IndexByte(link, '>')
	if start < 0 || end < start {
		return ""
	}
	u, err := url.Parse(link[start+1 : end])
	if err != nil {
		return ""
	}
	return u.RequestURI()
}

// member returns what JSON has under a key. The answers of the data plane wrap
// their content that way.
func (c acrCall) member(raw json.RawMessage, key string) (json.RawMessage, error) {
	var answer map[string]json.RawMessage
	if err := json.Unmarshal(raw, &answer); err != nil {
		return nil, fmt.Errorf("read the answer to %s %s: %w", c.method, c.path, err)
	}
	v, ok := answer[key]
	if !ok {
		return nil, fmt.Errorf("the answer to %s %s has no %s", c.method, c.path, key)
	}
	return v, nil
}

// about says which content of the registry an error is about.
func (r acrRegistry) about(name string, err error) error { return about(r.Host()+"/"+name, err) }
