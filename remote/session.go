package remote

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/orlop/orlop"
)

// session is an upload in progress at the registry. It is used by one
// goroutine.
type session struct {
	r        *Registry
	repo     string
	location *url.URL // of the next request
	offset   int64    // how many bytes the registry has
	chunkMin int64    // least size of a chunk but the last, in bytes; 0: any
	done     bool

	blob  digest.Digest // under which Options.Uploads remembers it; empty: not
	noted string        // the id that it remembers
}

// restart opens a session, in place of one that cannot go on if there is one.
func (s *session) restart(ctx context.Context) error {
	c := call{
		method: http.MethodPost, path: "/v2/" + s.repo + "/blobs/uploads/", scopes: push(s.repo),
		want: []int{http.StatusAccepted}, absent: orlop.ErrNameUnknown,
	}
	resp, err := s.r.send(ctx, c)
	if err != nil {
		return err
	}
	s.offset = 0
	return s.began(c, resp)
}

// post opens a session and sends the whole blob with it. A registry that does
// not take it there offers an ordinary upload instead.
func (s *session) post(ctx context.Context, raw []byte, dgst digest.Digest) error {
	c := call{
		method: http.MethodPost, path: "/v2/" + s.repo + "/blobs/uploads/", scopes: push(s.repo),
		query: url.Values{"digest": {string(dgst)}}, header: http.Header{"Content-Type": {octetStream}},
		body: bytes.NewReader(raw), size: int64(len(raw)),
		want: []int{http.StatusCreated, http.StatusAccepted}, absent: orlop.ErrNameUnknown,
	}
	resp, err := s.r.send(ctx, c)
	if err != nil {
		return err
	}
	if resp.StatusCode == http.StatusCreated && names(resp, dgst) {
		s.done = true
		defer func() { _ = drop(resp) }()
		return sameDigest(resp, dgst)
	}
	s.r.twoStep.Store(true)
	if resp.StatusCode == http.StatusCreated { // of something else: the body may not have been looked at
		_ = drop(resp)
		return s.restart(ctx)
	}
	if n, unsure, ok := parseUploadRange(resp.Header.Get("Range")); ok && !unsure {
		s.offset = n // it has kept what was sent
	}
	return s.began(c, resp)
}

// names tells whether an answer is about the blob of a digest.
func names(resp *http.Response, dgst digest.Digest) bool {
	location, err := url.PathUnescape(resp.Header.Get("Location"))
	return err == nil && strings.Contains(location, string(dgst)) || resp.Header.Get("Docker-Content-Digest") != ""
}

// began takes what the answer to a POST says of a new session.
func (s *session) began(c call, resp *http.Response) error {
	defer func() { _ = drop(resp) }()
	location, err := s.r.follow(resp, resp.Header.Get("Location"))
	if err != nil {
		return c.bad(resp, "%w", err)
	}
	s.location = location
	s.chunkMin, _ = parseOffset(resp.Header.Get("OCI-Chunk-Min-Length")) // 0 if absent
	s.note()
	return nil
}

// call is a request of the session: to its location.
func (s *session) call(method string, want int) call {
	return call{
		method: method, url: s.location, scopes: push(s.repo), want: []int{want},
		absent: orlop.ErrUploadUnknown, header: http.Header{},
	}
}

// moved takes the location of the next request from an answer.
func (s *session) moved(resp *http.Response) error {
	target := resp.Header.Get("Location")
	if target == "" {
		return nil
	}
	location, err := s.r.follow(resp, target)
	if err != nil {
		return err
	}
	s.location = location
	s.note()
	return nil
}

// status asks how far the session has come.
func (s *session) status(ctx context.Context) (unsure bool, err error) {
	c := s.call(http.MethodGet, http.StatusNoContent)
	resp, err := s.r.send(ctx, c)
	if err != nil {
		return false, err
	}
	defer func() { _ = drop(resp) }()
	n, unsure, ok := parseUploadRange(resp.Header.Get("Range"))
	if !ok {
		n, unsure = 0, true
	}
	if err := s.moved(resp); err != nil {
		return false, c.bad(resp, "%w", err)
	}
	s.offset = n
	return unsure, nil
}

// step makes the next request: the whole in one PUT, or what is missing in a
// PATCH, or the PUT that completes the blob.
func (s *session) step(ctx context.Context, src source, end int64, dgst digest.Digest) error {
	from := s.offset
	if from > end {
		return orlop.ErrUploadInvalid.With(fmt.Sprintf("the registry has %d bytes of %d", from, end))
	}
	if dgst != "" && (from == 0 || from == end) {
		return s.put(ctx, src, from, end, dgst)
	}
	c := s.call(http.MethodPatch, http.StatusAccepted)
	c.header.Set("Content-Type", octetStream)
	c.header.Set("Content-Range", fmt.Sprintf("%d-%d", from, end-1))
	resp, err := s.send(ctx, c, src, from, end)
	if err != nil {
		return err
	}
	defer func() { _ = drop(resp) }()
	if err := s.moved(resp); err != nil {
		return c.bad(resp, "%w", err)
	}
	n, unsure, ok := parseUploadRange(resp.Header.Get("Range"))
	if !ok || unsure {
		n = end
	}
	if n <= from || n > end {
		return orlop.ErrUploadInvalid.With(fmt.Sprintf("the registry has %d bytes after %d of %d were sent", n, end-from, end))
	}
	s.offset = n
	return nil
}

// put completes the blob with the bytes from an offset on.
func (s *session) put(ctx context.Context, src source, from, end int64, dgst digest.Digest) error {
	c := s.call(http.MethodPut, http.StatusCreated)
	c.query = url.Values{"digest": {string(dgst)}}
	c.header.Set("Content-Type", octetStream)
	resp, err := s.send(ctx, c, src, from, end)
	if err != nil {
		return err
	}
	s.done = true
	if err := sameDigest(resp, dgst); err != nil {
		_ = drop(resp)
		return c.bad(resp, "%w", err)
	}
	return drop(resp)
}

// send sends a request with the bytes of the source from one offset to
// another.
func (s *session) send(ctx context.Context, c call, src source, from, end int64) (*http.Response, error) {
	if from == end {
		c.body = http.NoBody
		return s.r.send(ctx, c)
	}
	content, ok := src.at(from)
	if !ok {
		return nil, fmt.Errorf("upload: %w: the content cannot be read again from byte %d", errNoRewind, from)
	}
	body := &sending{r: content, left: end - from, size: end}
	c.body, c.size = body, end-from
	resp, err := s.r.send(ctx, c)
	if srcErr := body.stop(); err != nil && srcErr != nil {
		return nil, srcErr
	}
	return resp, err
}

var errNoRewind = errors.New("the upload broke off")

// cancel ends the session and drops what it has.
func (s *session) cancel(ctx context.Context) error {
	c := s.call(http.MethodDelete, http.StatusNoContent)
	c.want = append(c.want, http.StatusAccepted, http.StatusOK, http.StatusNotFound)
	resp, err := s.r.send(ctx, c)
	if err != nil {
		return err
	}
	return drop(resp)
}

// abandonTimeout bounds the courtesy of telling a registry that an upload will
// not be finished.
const abandonTimeout = 5 * time.Second

// abandon cancels a session that has failed, even if ctx has ended. That it
// does not succeed is no further error: registries drop old sessions.
func (s *session) abandon(ctx context.Context) {
	if s.done || s.location == nil {
		return
	}
	ctx, stop := context.WithTimeout(context.WithoutCancel(ctx), abandonTimeout)
	defer stop()
	_ = s.cancel(ctx)
}

// id names the session: its location below the origin.
func (s *session) id() string { return s.location.RequestURI() }
