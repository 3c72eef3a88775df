package distapi

import (
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/textproto"
	"strconv"

	"github.com/orlop/orlop"
	"github.com/orlop/orlop/internal/registry"
)

// sendRanges sends several ranges as multipart/byteranges (RFC 9110, section
// 14.6). The ranges are opened one after the other.
func (a *API) sendRanges(
	w http.ResponseWriter, r *http.Request, rt *route, reg *registry.Registry, desc *orlop.Descriptor, ranges []byteRange,
) error {
	parts := &rangeParts{r: r, rt: rt, reg: reg, size: desc.Size, ranges: ranges}
	length, boundary, err := parts.measure()
	if err != nil {
		return fmt.Errorf("measuring ranges: %w", err)
	}
	parts.boundary = boundary
	h := w.Header()
	setContentHeaders(h, []string{"multipart/byteranges; boundary=" + boundary}, desc)
	h[headerContentLength] = []string{strconv.FormatInt(length, 10)}
	h[headerAcceptRanges] = valueBytes
	return a.send(w, rt, http.StatusPartialContent, length, parts)
}

// rangeParts is the body of such an answer. It is written by WriteTo; Read is
// there only to be an io.Reader for io.Copy.
type rangeParts struct {
	r        *http.Request
	rt       *route
	reg      *registry.Registry
	size     int64
	ranges   []byteRange
	boundary string
}

var errNotRead = fmt.Errorf("ranges are written, not read")

// Read fails; see WriteTo.
func (p *rangeParts) Read([]byte) (int, error) { return 0, errNotRead }

// measure returns the length of the whole body and the boundary for it.
func (p *rangeParts) measure() (length int64, boundary string, err error) {
	var n counter
	mw := multipart.NewWriter(&n)
	for _, br := range p.ranges {
		if _, err := mw.CreatePart(p.header(br)); err != nil {
			return 0, "", err
		}
		n += counter(br.length)
	}
	err = mw.Close()
	return int64(n), mw.Boundary(), err
}

// WriteTo writes all parts.
func (p *rangeParts) WriteTo(w io.Writer) (int64, error) {
	n := &countingWriter{w: w}
	mw := multipart.NewWriter(n)
	if err := mw.SetBoundary(p.boundary); err != nil {
		return 0, err
	}
	for _, br := range p.ranges {
		if err := p.writePart(mw, br); err != nil {
			return int64(n.n), err
		}
	}
	err := mw.Close()
	return int64(n.n), err
}

// writePart opens the range before it writes the part's head, and lets the
// engine write the content in pieces it has checked.
func (p *rangeParts) writePart(mw *multipart.Writer, br byteRange) error {
	blob, err := p.reg.OpenBlob(p.r.Context(), p.rt.repo, p.rt.digest, br.start, br.length)
	if err != nil {
		return err
	}
	defer blob.Close()
	part, err := mw.CreatePart(p.header(br))
	if err != nil {
		return err
	}
	n, err := io.Copy(part, blob)
	if err == nil && n != br.length {
		err = io.ErrUnexpectedEOF
	}
	return err
}

func (p *rangeParts) header(br byteRange) textproto.MIMEHeader {
	return textproto.MIMEHeader{
		headerContentRange: {br.contentRange(p.size)},
		headerContentType:  valueOctetStream,
	}
}

// counter counts what is written to it.
type counter int64

func (c *counter) Write(p []byte) (int, error) {
	*c += counter(len(p))
	return len(p), nil
}

type countingWriter struct {
	w io.Writer
	n counter
}

func (c *countingWriter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n += counter(n)
	return n, err
}
