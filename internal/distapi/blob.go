package distapi

import (
	"io"
	"net/http"
	"strconv"

	"github.com/opencontainers/go-digest"

	"github.com/orlop/orlop"
	"github.com/orlop/orlop/internal/authz"
	"github.com/orlop/orlop/internal/registry"
)

// headBlob answers from the metadata; the content is not opened.
func (a *API) headBlob(w http.ResponseWriter, r *http.Request, rt *route) error {
	_, reg, err := a.authorize(w, r, rt, authz.Pull)
	if err != nil {
		return err
	}
	desc, err := reg.StatBlob(r.Context(), rt.repo, rt.digest)
	if err != nil {
		return err
	}
	if notModified(w, r, &desc) {
		return nil
	}
	h := w.Header()
	setContentHeaders(h, valueOctetStream, &desc)
	h[headerAcceptRanges] = valueBytes
	w.WriteHeader(http.StatusOK)
	return nil
}

// getBlob sends a blob, a range of it, or several.
func (a *API) getBlob(w http.ResponseWriter, r *http.Request, rt *route) error {
	_, reg, err := a.authorize(w, r, rt, authz.Pull)
	if err != nil {
		return err
	}
	if len(r.Header[headerRange]) > 0 || len(r.Header[headerIfNoneMatch]) > 0 {
		return a.getBlobIf(w, r, rt, reg)
	}
	if sent, err := a.redirect(w, r, rt, reg, 0); sent || err != nil {
		return err
	}
	return a.sendWhole(w, r, rt, reg)
}

// getBlobIf answers a request with a condition or a range.
func (a *API) getBlobIf(w http.ResponseWriter, r *http.Request, rt *route, reg *registry.Registry) error {
	desc, err := reg.StatBlob(r.Context(), rt.repo, rt.digest)
	if err != nil {
		return err
	}
	if notModified(w, r, &desc) {
		return nil
	}
	ranges, err := requestedRanges(r, &desc)
	if err != nil {
		w.Header()[headerContentRange] = []string{"bytes */" + strconv.FormatInt(desc.Size, 10)}
		return err
	}
	if sent, err := a.redirect(w, r, rt, reg, len(ranges)); sent || err != nil {
		return err
	}
	switch {
	case len(ranges) == 0:
		return a.sendWhole(w, r, rt, reg)
	case len(ranges) == 1:
		return a.sendRange(w, r, rt, reg, ranges[0])
	}
	return a.sendRanges(w, r, rt, reg, &desc, ranges)
}

// requestedRanges returns the ranges to send, none for the whole blob. An
// If-Range that is not the blob's entity tag asks for the whole.
func requestedRanges(r *http.Request, desc *orlop.Descriptor) ([]byteRange, error) {
	if v := r.Header[headerIfRange]; len(v) > 0 && !isETag(v[0], string(desc.Digest)) {
		return nil, nil
	}
	return parseRange(r.Header.Get(headerRange), desc.Size)
}

func (a *API) sendWhole(w http.ResponseWriter, r *http.Request, rt *route, reg *registry.Registry) error {
	blob, err := reg.OpenBlob(r.Context(), rt.repo, rt.digest, 0, -1)
	if err != nil {
		return err
	}
	defer blob.Close()
	desc := blob.Descriptor()
	h := w.Header()
	setContentHeaders(h, valueOctetStream, &desc)
	h[headerAcceptRanges] = valueBytes
	return a.send(w, rt, http.StatusOK, desc.Size, blob)
}

func (a *API) sendRange(w http.ResponseWriter, r *http.Request, rt *route, reg *registry.Registry, br byteRange) error {
	blob, err := reg.OpenBlob(r.Context(), rt.repo, rt.digest, br.start, br.length)
	if err != nil {
		return err
	}
	defer blob.Close()
	desc := blob.Descriptor()
	h := w.Header()
	setContentHeaders(h, valueOctetStream, &desc)
	h[headerContentLength] = []string{strconv.FormatInt(br.length, 10)}
	h[headerAcceptRanges] = valueBytes
	h[headerContentRange] = []string{br.contentRange(desc.Size)}
	return a.send(w, rt, http.StatusPartialContent, br.length, blob)
}

// contentRange is the value of Content-Range for content of size bytes.
func (br byteRange) contentRange(size int64) string {
	b := make([]byte, 0, 64)
	b = append(b, "bytes "...)
	b = strconv.AppendInt(b, br.start, 10)
	b = append(b, '-')
	b = strconv.AppendInt(b, br.start+br.length-1, 10)
	b = append(b, '/')
	return string(strconv.AppendInt(b, size, 10))
}

// send copies length bytes of content to the client. The status goes out with
// the first of them, so that damage found in the first piece still becomes an
// error answer; damage found later breaks the connection, so that nobody takes
// what was sent for the whole.
func (a *API) send(w http.ResponseWriter, rt *route, status int, length int64, content io.Reader) error {
	out := &sender{w: w, status: status}
	n, err := io.Copy(out, content)
	switch {
	case err == nil && n == length:
		out.start() // there was no byte to start it
		return nil
	case err == nil:
		err = io.ErrUnexpectedEOF
	case out.err != nil:
		a.Log.Debug("client went away", "repository", rt.repo, "digest", rt.digest, "sent", n, "error", out.err)
		panic(http.ErrAbortHandler)
	}
	return a.broken(rt, out.started, n, err)
}

// broken handles content that cannot be read: it returns the error if nothing
// was sent, and breaks the connection otherwise.
func (a *API) broken(rt *route, started bool, sent int64, err error) error {
	if !started {
		return err
	}
	a.Log.Error("a blob was not sent whole", "repository", rt.repo, "digest", rt.digest, "sent", sent, "error", err)
	panic(http.ErrAbortHandler)
}

// sender writes content to a client, the status before the first byte.
type sender struct {
	w       http.ResponseWriter
	status  int
	started bool
	err     error // of writing to the client
}

func (s *sender) start() {
	if !s.started {
		s.started = true
		s.w.WriteHeader(s.status)
	}
}

// Write sends a piece.
func (s *sender) Write(p []byte) (int, error) {
	s.start()
	n, err := s.w.Write(p)
	if err != nil {
		s.err = err
	}
	return n, err
}

// blobLocation is the path of a blob.
func blobLocation(repo string, dgst digest.Digest) string {
	return "/v2/" + repo + "/blobs/" + string(dgst)
}
