package files

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/orlop/orlop"
)

// maxInMemory is the largest content, in bytes, that is not worth a file or an
// upload of its own.
const maxInMemory = 64 << 10

// spool takes content whose size and digest are not known before it is whole:
// it stays in memory while it is small, then is sent to the destination, or
// written to a temporary file if that is not possible.
type spool struct {
	ctx     context.Context // of Load: io.Writer has no place for one
	upload  func(ctx context.Context) (orlop.BlobWriter, error)
	tempDir string

	digester digest.Digester
	size     int64
	head     []byte           // what came before there was a place for it
	up       orlop.BlobWriter // nil if nothing is sent
	file     *tempFile        // nil if nothing is written
}

// newSpool returns a spool that sends by upload; nil: it does not send.
func newSpool(ctx context.Context, tempDir string, upload func(context.Context) (orlop.BlobWriter, error)) *spool {
	return &spool{ctx: ctx, upload: upload, tempDir: tempDir, digester: digest.SHA256.Digester()}
}

// spooled is what became of the content of a spool.
type spooled struct {
	content content // nil if it was sent
	digest  digest.Digest
	size    int64
}

// uploadError is an error of sending.
type uploadError struct{ err error }

func (e *uploadError) Error() string { return fmt.Sprintf("send it while it is read: %v", e.err) }
func (e *uploadError) Unwrap() error { return e.err }

// Write implements io.Writer.
func (s *spool) Write(p []byte) (int, error) {
	s.digester.Hash().Write(p)
	s.size += int64(len(p))
	if s.up == nil && s.file == nil {
		if s.size <= maxInMemory {
			s.head = append(s.head, p...)
			return len(p), nil
		}
		if err := s.begin(); err != nil {
			return 0, err
		}
	}
	return s.forward(p)
}

// begin opens the place for the content and puts there what has come.
func (s *spool) begin() error {
	var err error
	if s.upload != nil {
		if s.up, err = s.upload(s.ctx); err != nil {
			s.up = nil
		}
	}
	if s.upload == nil || errors.Is(err, orlop.ErrUnsupported) {
		s.file, err = newTempFile(s.tempDir)
	}
	if err != nil {
		return err
	}
	_, err = s.forward(s.head)
	s.head = nil
	return err
}

func (s *spool) forward(p []byte) (int, error) {
	if s.file != nil {
		return s.file.Write(p)
	}
	n, err := s.up.Write(p)
	if err != nil {
		err = &uploadError{err}
	}
	return n, err
}

// finish ends the content. After it, or after abort, the spool is done.
func (s *spool) finish() (spooled, error) {
	r := spooled{digest: s.digester.Digest(), size: s.size}
	switch {
	case s.file != nil:
		r.content = s.file
	case s.up == nil:
		r.content = memory(s.head)
	default:
		if _, err := s.up.Commit(s.ctx, r.digest); err != nil {
			s.abort()
			return spooled{}, &uploadError{err}
		}
	}
	return r, nil
}

// cancelTime is how long the end of an upload that failed may take.
const cancelTime = 10 * time.Second

// abort drops the content.
func (s *spool) abort() error {
	if s.up != nil {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(s.ctx), cancelTime)
		defer cancel()
		s.up.Cancel(ctx) // the upload failed already, which says more
	}
	if s.file != nil {
		return s.file.Close()
	}
	return nil
}

// tempFile is content in a temporary file, which nobody else can reach.
type tempFile struct {
	*os.File
	path string // "" if it has no name any more
}

func newTempFile(dir string) (*tempFile, error) {
	f, err := os.CreateTemp(dir, "orlop-*.tmp")
	if err != nil {
		return nil, err
	}
	t := &tempFile{f, f.Name()}
	if os.Remove(t.path) == nil { // where the system allows it, nothing is left of a crash
		t.path = ""
	}
	return t, nil
}

func (t *tempFile) open(context.Context) (handle, error) { return tempHandle{t.File}, nil }

// Close removes the file.
func (t *tempFile) Close() error {
	err := t.File.Close()
	if t.path != "" {
		err = errors.Join(err, os.Remove(t.path))
	}
	return err
}

type tempHandle struct{ *os.File }

func (tempHandle) Close() error     { return nil }
func (tempHandle) unchanged() error { return nil }
