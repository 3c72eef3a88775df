package files

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/orlop/orlop"
)

const (
	// maxIdle is how many attempts in a row may bring nothing.
	maxIdle = 3
	// maxAttempts bounds all attempts: a stream that is cut after every byte
	// is not worth going on.
	maxAttempts = 200
	// retryPause is the pause after the first attempt without progress.
	retryPause = 200 * time.Millisecond
)

// download fetches one blob, again from where a stream was cut.
type download struct {
	desc orlop.Descriptor
	open OpenFunc
	off  int64 // what has been written, also by an earlier run

	verified bool // by the stream, which was read whole
	cut      bool // the transfer failed, and what was written may be good
}

// file is what a download is written to.
type file interface {
	io.ReaderAt
	io.WriteSeeker
	Truncate(size int64) error
}

// fetch writes the blob to f, at its position off, and verifies size and digest.
// No more than the size is ever written. If what was there already turns out to
// be damaged, it begins again.
func (d *download) fetch(ctx context.Context, f file) error {
	resumed := d.off > 0
	err := d.rest(ctx, f)
	if !resumed || !errors.Is(err, orlop.ErrDamaged) {
		return err
	}
	if err := f.Truncate(0); err != nil {
		return err
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return err
	}
	d.off = 0
	return d.rest(ctx, f)
}

// rest writes what is missing and verifies the whole.
func (d *download) rest(ctx context.Context, f file) error {
	if err := d.parts(ctx, f); err != nil || d.verified {
		return err
	}
	verifier := d.desc.Digest.Verifier()
	if _, err := copyBuffer(ctx, verifier, io.NewSectionReader(f, 0, d.desc.Size)); err != nil {
		d.cut = ctx.Err() != nil
		return err
	}
	if !verifier.Verified() {
		return fmt.Errorf("the content does not match the digest %s: %w", d.desc.Digest, orlop.ErrDamaged)
	}
	return nil
}

// parts opens the blob as often as it takes to write all of it.
func (d *download) parts(ctx context.Context, w io.Writer) error {
	idle := 0
	for attempt := 1; d.off < d.desc.Size; attempt++ {
		start := d.off
		again, err := d.part(ctx, w)
		if err == nil {
			continue
		}
		if idle++; d.off > start {
			idle = 0
		}
		if !again || idle == maxIdle || attempt == maxAttempts {
			return err
		}
		if err := pause(ctx, time.Duration(idle)*retryPause); err != nil {
			d.cut = true
			return err
		}
	}
	return nil
}

// part opens the blob once and writes what it gives. again tells whether
// another attempt may help.
func (d *download) part(ctx context.Context, w io.Writer) (again bool, err error) {
	r, err := d.open(ctx, d.off)
	if err != nil {
		d.cut = mayResume(err)
		return mayPass(ctx, err), err
	}
	defer r.Close()
	blob, ok := r.(orlop.BlobReader) // which verifies a blob that it reads whole
	whole := ok && d.off == 0 && blob.Descriptor().Digest == d.desc.Digest
	src := &source{r: io.LimitReader(r, d.desc.Size-d.off)}
	copied := copyBuffer
	if d.desc.Size > bufferSize {
		copied = copyBehind
	}
	n, err := copied(ctx, w, src)
	d.off += n
	switch {
	case src.err != nil:
		d.cut = mayResume(src.err)
		return mayPass(ctx, src.err), src.err
	case err != nil: // the end of ctx, or the disk
		d.cut = ctx.Err() != nil
		return false, err
	case d.off < d.desc.Size: // not as a broken connection ends
		d.cut = false
		return true, fmt.Errorf("the content ends after %d of %d bytes: %w", d.off, d.desc.Size, io.ErrUnexpectedEOF)
	}
	d.cut = false
	// A reader that verifies by itself may still find something here.
	if n, err := io.ReadFull(r, make([]byte, 1)); n > 0 {
		return false, fmt.Errorf("the content is longer than %d bytes: %w", d.desc.Size, orlop.ErrDamaged)
	} else if errors.Is(err, orlop.ErrDamaged) {
		return false, err
	}
	d.verified = whole
	return false, nil
}

// source remembers an error of reading, to tell it from one of writing.
type source struct {
	r   io.Reader
	err error
}

func (s *source) Read(p []byte) (int, error) {
	n, err := s.r.Read(p)
	if err != nil && err != io.EOF {
		s.err = err
	}
	return n, err
}

// mayPass tells whether another attempt may help. Answers of a registry are
// final here, and so is that it could not be read: the client below has repeated
// what it could.
func mayPass(ctx context.Context, err error) bool {
	_, answered := errors.AsType[*orlop.Error](err)
	return !answered && ctx.Err() == nil && !errors.Is(err, orlop.ErrDamaged) && !errors.Is(err, orlop.ErrGaveUp)
}

// mayResume tells whether a later run may go on after a failure of reading.
func mayResume(err error) bool {
	return !errors.Is(err, orlop.ErrDamaged) && !errors.Is(err, orlop.ErrBlobUnknown)
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(d):
		return nil
	}
}
