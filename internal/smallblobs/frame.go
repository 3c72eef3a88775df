package smallblobs

import (
	"bufio"
	"io"
	"strconv"
	"strings"

	"github.com/opencontainers/go-digest"

	"github.com/orlop/orlop/ref"
)

// maxLine is more than any line has, in bytes.
const maxLine = 256

// AppendHead appends the line of a frame to b. The content, of size bytes,
// follows it; size -1 is of a blob that is not sent.
func AppendHead(b []byte, dgst digest.Digest, size int) []byte {
	b = append(b, dgst...)
	b = append(b, ' ')
	b = strconv.AppendInt(b, int64(size), 10)
	return append(b, '\n')
}

// AppendList appends the line of a list to b.
func AppendList(b []byte, dgst digest.Digest) []byte {
	return append(append(b, dgst...), '\n')
}

// Reader reads frames or a list. Its errors are those of what it reads,
// io.ErrUnexpectedEOF if that ends within an entry, ErrFormat or ErrTooLarge;
// after one it is of no use any more.
type Reader struct {
	r     *bufio.Reader
	n     int   // entries read
	total int64 // bytes of content read
}

// NewReader returns a reader of r. It may read more of r than it gives out.
func NewReader(r io.Reader) *Reader { return &Reader{r: bufio.NewReaderSize(r, 64<<10)} }

// Next reads a frame; io.EOF after the last. The content is a slice of its own.
func (r *Reader) Next() (Blob, error) {
	line, err := r.line()
	if err != nil {
		return Blob{}, err
	}
	name, number, _ := strings.Cut(line, " ")
	dgst, err := ref.ValidateDigest(name)
	if err != nil {
		return Blob{}, ErrFormat
	}
	b := Blob{Digest: dgst}
	if number == "-1" {
		return b, nil
	}
	size, err := parseSize(number)
	if err != nil {
		return Blob{}, err
	}
	if r.total += size; r.total > MaxTotal {
		return Blob{}, ErrTooLarge
	}
	b.Content = make([]byte, size)
	if _, err := io.ReadFull(r.r, b.Content); err != nil {
		return Blob{}, cut(err)
	}
	return b, nil
}

// parseSize reads a size in the one way to write it.
func parseSize(s string) (int64, error) {
	n, err := strconv.ParseUint(s, 10, 62)
	if err != nil || strconv.FormatUint(n, 10) != s {
		return 0, ErrFormat
	}
	if n > MaxBlob {
		return 0, ErrTooLarge
	}
	return int64(n), nil //nolint:gosec // at most MaxBlob
}

// NextDigest reads an entry of a list; io.EOF after the last.
func (r *Reader) NextDigest() (digest.Digest, error) {
	line, err := r.line()
	if err != nil {
		return "", err
	}
	dgst, err := ref.ValidateDigest(line)
	if err != nil {
		return "", ErrFormat
	}
	return dgst, nil
}

// line reads the line of the next entry.
func (r *Reader) line() (string, error) {
	if _, err := r.r.Peek(1); err != nil {
		return "", err
	}
	if r.n++; r.n > MaxBlobs {
		return "", ErrTooLarge
	}
	line, err := r.r.ReadSlice('\n')
	switch {
	case err == bufio.ErrBufferFull, len(line) > maxLine:
		return "", ErrFormat
	case err != nil:
		return "", cut(err)
	}
	return string(line[:len(line)-1]), nil
}

// cut is the error of an entry that breaks off.
func cut(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

// ReadAll reads frames to the end. Each has content.
func ReadAll(r io.Reader) ([]Blob, error) {
	frames := NewReader(r)
	var blobs []Blob
	for {
		b, err := frames.Next()
		switch {
		case err == io.EOF:
			return blobs, nil
		case err != nil:
			return nil, err
		case b.Content == nil:
			return nil, ErrFormat
		}
		blobs = append(blobs, b)
	}
}

// ReadList reads a list to the end.
func ReadList(r io.Reader) ([]digest.Digest, error) {
	lines := NewReader(r)
	var list []digest.Digest
	for {
		dgst, err := lines.NextDigest()
		switch {
		case err == io.EOF:
			return list, nil
		case err != nil:
			return nil, err
		}
		list = append(list, dgst)
	}
}
