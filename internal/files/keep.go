package files

import (
	"fmt"
	"io"
	"os"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// maxKept is how many bytes of small files stay in memory until they are sent.
// The others are read a second time.
const maxKept = 16 << 20

// loadSmall reads a file that fits into memory, which info is about.
func (s *Source) loadSmall(a Arg, info os.FileInfo, read tally) (blob, error) {
	raw, err := readSmall(a.Path, info)
	if err != nil {
		return blob{}, err
	}
	read(info.Size())
	var c content = diskFile{a.Path, info}
	if s.keep(info.Size()) {
		c = memory(raw)
	}
	return describe(c, a.MediaType, ocispec.MediaTypeImageLayer, digest.FromBytes(raw), info.Size()), nil
}

// keep tells whether there is room in memory for so many bytes more.
func (s *Source) keep(size int64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.kept+size > maxKept {
		return false
	}
	s.kept += size
	return true
}

// readSmall reads a file that info is about, and nothing else.
func readSmall(path string, info os.FileInfo) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	raw := make([]byte, info.Size())
	if _, err = io.ReadFull(f, raw); err == io.EOF || err == io.ErrUnexpectedEOF {
		return nil, fmt.Errorf("%s: %w", path, ErrChanged)
	}
	if err != nil {
		return nil, err
	}
	return raw, diskHandle{f, diskFile{path, info}}.unchanged()
}
