package orlop_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/orlop/orlop"
)

// wantSide checks that an error names the side and the cause.
func wantSide(t *testing.T, err error, side orlop.Side, cause error) {
	t.Helper()
	e, ok := errors.AsType[*orlop.CopyError](err)
	if !ok || e.Side != side || !errors.Is(err, cause) || !strings.HasPrefix(err.Error(), string(side)) {
		t.Errorf("error %v (%T); want %v at the %s", err, err, cause, side)
	}
}

var errCable = errors.New("cable cut")

// breaking is a reader that breaks off after n bytes.
type breaking struct {
	orlop.BlobReader
	n   int
	err error
}

func (b *breaking) Read(p []byte) (int, error) {
	if b.n == 0 {
		return 0, b.err
	}
	n, err := b.BlobReader.Read(p[:min(len(p), b.n)])
	b.n -= n
	return n, err
}

func TestCopyGoesOnWhereTheSourceBreaksOff(t *testing.T) {
	for _, cause := range []error{errCable, io.EOF, io.ErrUnexpectedEOF, orlop.ErrUnavailable} {
		src, dst := newSpy(), newSpy()
		pushImage(t, src, "from", "image", nil, "v1")
		var opened atomic.Int64
		src.open = func(_ digest.Digest, r orlop.BlobReader) (orlop.BlobReader, error) {
			if opened.Add(1)%2 == 0 { // half of the time it does not open
				r.Close()
				return nil, errCable
			}
			return &breaking{r, 80_000, cause}, nil
		}
		if _, err := orlop.Copy(t.Context(), dst, "to", src, "from", "v1", orlop.CopyOptions{Tags: []string{"v1"}}); err != nil {
			t.Fatal(err)
		}
		wantGraph(t, dst, "to", "v1")
		if opened.Load() < 7 { // of 250,000 bytes
			t.Errorf("opened %d times", opened.Load())
		}
	}
}

func TestCopyGivesUp(t *testing.T) {
	tests := []struct {
		cause  error
		opened int64
	}{
		{errCable, 3}, {io.EOF, 3}, {orlop.ErrUnavailable, 3}, {orlop.ErrTooManyRequests, 3},
		{orlop.ErrDenied, 1}, {orlop.ErrDamaged, 1}, {orlop.ErrBlobUnknown, 1}, {orlop.ErrGaveUp, 1},
	}
	for _, tt := range tests {
		src, dst := newSpy(), newSpy()
		pushImage(t, src, "from", "image", nil, "v1")
		large := digest.FromBytes(bytes.Repeat([]byte("image"), 50_000))
		var opened atomic.Int64
		src.open = func(dgst digest.Digest, r orlop.BlobReader) (orlop.BlobReader, error) {
			if dgst != large {
				return r, nil
			}
			n := 0
			if opened.Add(1) == 1 {
				n = 1000
			}
			return &breaking{r, n, tt.cause}, nil
		}
		_, err := orlop.Copy(t.Context(), dst, "to", src, "from", "v1", orlop.CopyOptions{Attempts: 3, Tags: []string{"v1"}})
		cause := tt.cause
		if cause == io.EOF {
			cause = io.ErrUnexpectedEOF
		}
		wantSide(t, err, orlop.Source, cause)
		if opened.Load() != tt.opened {
			t.Errorf("%v: opened %d times, want %d", tt.cause, opened.Load(), tt.opened)
		}
		if _, err := dst.Resolve(t.Context(), "to", "v1"); err == nil {
			t.Error("half a copy has a tag")
		}
	}
}

func TestCopyDestinationFails(t *testing.T) {
	src := newSpy()
	pushImage(t, src, "from", "image", nil, "v1")
	dst := newSpy()
	dst.push = func(context.Context, orlop.Descriptor, io.Reader) (bool, error) { return false, orlop.ErrStorageFull }
	_, err := orlop.Copy(t.Context(), dst, "to", src, "from", "v1", orlop.CopyOptions{})
	wantSide(t, err, orlop.Destination, orlop.ErrStorageFull)
	dst = newSpy()
	dst.put = func([]byte) error { return orlop.ErrDenied }
	_, err = orlop.Copy(t.Context(), dst, "to", src, "from", "v1", orlop.CopyOptions{})
	wantSide(t, err, orlop.Destination, orlop.ErrDenied)
	_, err = orlop.Copy(t.Context(), dst, "to", src, "from", "absent", orlop.CopyOptions{})
	wantSide(t, err, orlop.Source, orlop.ErrManifestUnknown)
	_, err = orlop.Copy(t.Context(), dst, "No", src, "from", "v1", orlop.CopyOptions{})
	wantSide(t, err, orlop.Destination, orlop.ErrNameInvalid)
}

// A destination may answer while its other goroutine still reads, and may begin
// again.
func TestCopyDestinationReadsAside(t *testing.T) {
	src, dst := newSpy(), newSpy()
	pushImage(t, src, "from", "image", nil, "v1")
	var wg sync.WaitGroup
	dst.push = func(_ context.Context, _ orlop.Descriptor, content io.Reader) (bool, error) {
		read := make(chan struct{})
		wg.Go(func() {
			io.ReadFull(content, make([]byte, 1))
			close(read)
			io.Copy(io.Discard, content)
		})
		<-read
		return false, orlop.ErrStorageFull
	}
	_, err := orlop.Copy(t.Context(), dst, "to", src, "from", "v1", orlop.CopyOptions{})
	wantSide(t, err, orlop.Destination, orlop.ErrStorageFull)
	wg.Wait()

	dst.push = func(_ context.Context, desc orlop.Descriptor, content io.Reader) (bool, error) {
		s := content.(io.Seeker)
		if _, err := io.CopyN(io.Discard, content, desc.Size/2); err != nil {
			return false, err
		}
		if end, err := s.Seek(0, io.SeekEnd); end != desc.Size || err != nil {
			return false, fmt.Errorf("the end is at %d, %v", end, err)
		}
		if _, err := s.Seek(1, io.SeekCurrent); err == nil {
			return false, errors.New("went beyond the end")
		}
		_, err := s.Seek(0, io.SeekStart)
		return false, err
	}
	if _, err := orlop.Copy(t.Context(), dst, "to", src, "from", "v1", orlop.CopyOptions{Tags: []string{"v1"}}); err != nil {
		t.Fatal(err)
	}
	wantGraph(t, dst, "to", "v1")
}

func TestCopyConcurrency(t *testing.T) {
	src, dst := newSpy(), newSpy()
	m := ocispec.Manifest{MediaType: ocispec.MediaTypeImageManifest, Config: pushBlob(t, src, "from", []byte("{}"))}
	m.SchemaVersion = 2
	for i := range 30 {
		d := pushBlob(t, src, "from", fmt.Append(nil, i))
		m.Layers = append(m.Layers, d, d)
	}
	pushJSON(t, src, "from", m.MediaType, m, "v1")
	var now, most atomic.Int64
	three := make(chan struct{}) // closed when three run
	var once sync.Once
	dst.push = func(context.Context, orlop.Descriptor, io.Reader) (bool, error) {
		n := now.Add(1)
		defer now.Add(-1)
		if n == 3 {
			once.Do(func() { close(three) })
		}
		<-three
		for {
			if old := most.Load(); n <= old || most.CompareAndSwap(old, n) {
				return false, nil
			}
		}
	}
	if _, err := orlop.Copy(t.Context(), dst, "to", src, "from", "v1", orlop.CopyOptions{Concurrency: 3}); err != nil {
		t.Fatal(err)
	}
	if most.Load() != 3 {
		t.Errorf("%d blobs at once, want 3", most.Load())
	}
	if n := dst.calls.Load(); n != 32 {
		t.Errorf("%d things sent, want 31 blobs and a manifest", n)
	}
}

func TestCopyCancelled(t *testing.T) {
	src, dst := newSpy(), newSpy()
	pushGraph(t, src, "from", "v1")
	ctx, cancel := context.WithCancel(t.Context())
	dst.push = func(ctx context.Context, _ orlop.Descriptor, content io.Reader) (bool, error) {
		cancel()
		<-ctx.Done()
		_, err := content.Read(make([]byte, 1))
		return true, err
	}
	if _, err := orlop.Copy(ctx, dst, "to", src, "from", "v1", orlop.CopyOptions{}); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}

// The destination has the manifest, but has lost a blob of it.
func TestCopyHeals(t *testing.T) {
	src, dst := newSpy(), newSpy()
	pushImage(t, src, "from", "image", nil, "v1")
	o := orlop.CopyOptions{Tags: []string{"v1"}}
	if _, err := orlop.Copy(t.Context(), dst, "to", src, "from", "v1", o); err != nil {
		t.Fatal(err)
	}
	if err := dst.DeleteBlob(t.Context(), "to", digest.FromString("shared by all")); err != nil {
		t.Fatal(err)
	}
	if _, err := orlop.Copy(t.Context(), dst, "to", src, "from", "v1", o); err != nil {
		t.Fatal(err)
	}
	wantGraph(t, dst, "to", "v1")
}

// A blob whose content the manifest carries needs no request to the source.
func TestCopyEmbedded(t *testing.T) {
	src, dst := newSpy(), newSpy()
	m, blobs, err := orlop.Pack(orlop.PackOptions{ArtifactType: "a/b"})
	if err != nil {
		t.Fatal(err)
	}
	pushBlob(t, src, "from", blobs[0].Content)
	if _, err := src.Registry.PushManifest(t.Context(), "from", "", m.Raw, "v1"); err != nil {
		t.Fatal(err)
	}
	src.open = func(digest.Digest, orlop.BlobReader) (orlop.BlobReader, error) { return nil, errCable }
	if _, err := orlop.Copy(t.Context(), dst, "to", src, "from", "v1", orlop.CopyOptions{Tags: []string{"v1"}}); err != nil {
		t.Fatal(err)
	}
	wantGraph(t, dst, "to", "v1")
}
