package distapi

import (
	"net/http"
	"strconv"

	"github.com/orlop/orlop"
	"github.com/orlop/orlop/internal/smallblobs"
)

// Header names in the canonical form of net/textproto, so that they can index
// an http.Header without being converted.
const (
	headerAcceptRanges   = "Accept-Ranges"
	headerChunkMin       = "Oci-Chunk-Min-Length"
	headerContentLength  = "Content-Length"
	headerContentRange   = "Content-Range"
	headerContentType    = "Content-Type"
	headerDigest         = "Docker-Content-Digest"
	headerETag           = "Etag"
	headerExtensions     = smallblobs.Header
	headerFiltersApplied = "Oci-Filters-Applied"
	headerIfMatch        = "If-Match"
	headerIfNoneMatch    = "If-None-Match"
	headerIfRange        = "If-Range"
	headerLink           = "Link"
	headerLocation       = "Location"
	headerRange          = "Range"
	headerSubject        = "Oci-Subject"
	headerTag            = "Oci-Tag"
	headerUploadID       = "Docker-Upload-Uuid"
)

const (
	mediaTypeJSON        = "application/json; charset=utf-8"
	mediaTypeOctetStream = "application/octet-stream"
	mediaTypeIndex       = "application/vnd.oci.image.index.v1+json"
)

// Header values that never change, shared by all answers. Nobody may change
// them in place; Header.Set and Header.Add do not.
var (
	valueBytes       = []string{"bytes"}
	valueOctetStream = []string{mediaTypeOctetStream}
	valueExtensions  = []string{smallblobs.Name + ", " + smallblobs.Conditions}
)

// setContentHeaders sets the headers that describe stored content: type,
// length, digest and entity tag, in one allocation and the strings.
func setContentHeaders(h http.Header, contentType []string, desc *orlop.Descriptor) {
	d := string(desc.Digest)
	values := []string{strconv.FormatInt(desc.Size, 10), d, `"` + d + `"`}
	h[headerContentType] = contentType
	h[headerContentLength] = values[0:1:1]
	h[headerDigest] = values[1:2:2]
	h[headerETag] = values[2:3:3]
}

// dropContentHeaders takes back what describes content that is not sent after
// all, so that an error can be written instead.
func dropContentHeaders(h http.Header) {
	for _, name := range [...]string{
		headerContentType, headerContentLength, headerDigest, headerETag, headerAcceptRanges, headerLink,
	} {
		delete(h, name)
	}
}

// notModified answers 304 if the client has the content already.
func notModified(w http.ResponseWriter, r *http.Request, desc *orlop.Descriptor) bool {
	values := r.Header[headerIfNoneMatch]
	if len(values) == 0 || !matchesETag(values, string(desc.Digest)) {
		return false
	}
	h := w.Header()
	setContentHeaders(h, nil, desc)
	delete(h, headerContentType)
	delete(h, headerContentLength)
	w.WriteHeader(http.StatusNotModified)
	return true
}

// writeBody answers 200 with a body in memory, in parts. A failed write means
// that the client has gone; net/http then ends the connection.
func writeBody(w http.ResponseWriter, contentType string, parts ...[]byte) error {
	n := 0
	for _, p := range parts {
		n += len(p)
	}
	h := w.Header()
	h[headerContentType] = []string{contentType}
	h[headerContentLength] = []string{strconv.Itoa(n)}
	for _, p := range parts {
		_, _ = w.Write(p)
	}
	return nil
}
