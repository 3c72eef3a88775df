package distapi

import (
	"bufio"
	"errors"
	"net/http"
	"slices"

	"github.com/opencontainers/go-digest"

	"github.com/orlop/orlop"
	"github.com/orlop/orlop/internal/authz"
	"github.com/orlop/orlop/internal/registry"
	"github.com/orlop/orlop/internal/smallblobs"
)

// readBlobs sends the blobs that the body lists, in its order. What is absent,
// or not small, it says not to send.
func (a *API) readBlobs(w http.ResponseWriter, r *http.Request, rt *route) error {
	_, reg, err := a.authorize(w, r, rt, authz.Pull)
	if err != nil {
		return err
	}
	b := a.body(w, r)
	digests, err := smallblobs.ReadList(b)
	if err != nil {
		return listError(b, err)
	}
	s := &frameSender{a: a, w: w, rt: rt, left: smallblobs.MaxTotal}
	for chunk := range slices.Chunk(digests, blobsAtOnce) {
		if err := s.read(r, reg, chunk); err != nil {
			return a.broken(rt, s.out != nil, int64(smallblobs.MaxTotal-s.left), err)
		}
	}
	s.end()
	return nil
}

// blobsAtOnce is how many blobs are in memory at once to be sent.
const blobsAtOnce = 64

// frameSender sends blobs as frames, the status before the first.
type frameSender struct {
	a    *API
	w    http.ResponseWriter
	rt   *route
	out  *bufio.Writer // nil before the first
	left int           // bytes of content that may be sent yet
	line []byte
}

// read reads blobs and sends them. An error is of reading.
func (s *frameSender) read(r *http.Request, reg *registry.Registry, digests []digest.Digest) error {
	contents, err := reg.ReadBlobs(r.Context(), s.rt.repo, digests, smallblobs.MaxBlob)
	if err != nil {
		return err
	}
	for i, d := range digests {
		s.send(d, contents[i])
	}
	return nil
}

// send sends a frame.
func (s *frameSender) send(d digest.Digest, content []byte) {
	s.start()
	size := len(content)
	if content == nil || size > s.left {
		content, size = nil, -1
	}
	s.left -= len(content)
	s.line = smallblobs.AppendHead(s.line[:0], d, size)
	s.write(s.line)
	s.write(content)
}

func (s *frameSender) start() {
	if s.out != nil {
		return
	}
	s.w.Header()[headerContentType] = []string{smallblobs.MediaTypeFrames}
	s.w.WriteHeader(http.StatusOK)
	s.out = bufio.NewWriterSize(s.w, 64<<10)
}

// write writes to the client, and ends the request if that has gone.
func (s *frameSender) write(p []byte) {
	if _, err := s.out.Write(p); err != nil {
		s.gone(err)
	}
}

// end sends what is left.
func (s *frameSender) end() {
	s.start() // of an empty list
	if err := s.out.Flush(); err != nil {
		s.gone(err)
	}
}

func (s *frameSender) gone(err error) {
	s.a.Log.Debug("client went away", "repository", s.rt.repo, "error", err)
	panic(http.ErrAbortHandler)
}

// writeBlobs stores the blobs of the body: all of them, durably, before it
// answers; or an error, and then some of them may be there. Content that is not
// what it is named by is found before any is stored.
func (a *API) writeBlobs(w http.ResponseWriter, r *http.Request, rt *route) error {
	_, reg, err := a.authorize(w, r, rt, authz.Push)
	if err != nil {
		return err
	}
	b := a.body(w, r)
	blobs, err := smallblobs.ReadAll(b)
	if err != nil {
		return listError(b, err)
	}
	if err := reg.PushBlobs(r.Context(), rt.repo, blobs); err != nil {
		return err
	}
	w.WriteHeader(http.StatusCreated)
	return nil
}

// listError is the answer to a body that is no list or no frames.
func listError(b *body, err error) error {
	switch {
	case errors.Is(err, smallblobs.ErrTooLarge):
		return errBlobsSize
	case errors.Is(err, smallblobs.ErrFormat):
		return errBlobsFormat
	}
	return b.failure(errBodyCut)
}

var (
	errBlobsSize = &orlop.Error{
		Code: orlop.CodeSizeInvalid, Message: smallblobs.ErrTooLarge.Error(), Status: http.StatusRequestEntityTooLarge,
	}
	errBlobsFormat = &orlop.Error{
		Code: orlop.CodeUnsupported, Message: smallblobs.ErrFormat.Error(), Status: http.StatusBadRequest,
	}
)
