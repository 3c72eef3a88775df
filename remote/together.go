package remote

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/orlop/orlop"
	"github.com/orlop/orlop/internal/smallblobs"
	"github.com/orlop/orlop/remote/auth"
)

// The largest blobs, in bytes, that share a request. What is pushed is smaller:
// a registry takes many at once as fast as one only if they are small to it too.
const (
	maxReadTogether = smallblobs.MaxBlob
	maxPushTogether = 32 << 10
)

// learn takes from an answer whether the registry moves small blobs together, and
// whether it heeds conditions.
func (r *Registry) learn(resp *http.Response) {
	if r.together.Load() && r.heeds.Load() || !auth.SameOrigin(resp.Request.URL, r.origin) {
		return
	}
	offered := resp.Header.Values(smallblobs.Header)
	if len(offered) == 0 {
		return
	}
	if smallblobs.Offered(offered) {
		r.together.Store(true)
	}
	if smallblobs.Names(offered, smallblobs.Conditions) {
		r.heeds.Store(true)
	}
}

// movesTogether tells whether small blobs may be moved together.
func (r *Registry) movesTogether() bool { return r.together.Load() && !r.apart.Load() }

// pushBatch pushes the blobs of a batch.
func (r *Registry) pushBatch(b *batch) {
	size := 0
	for _, w := range b.blobs {
		size += len(smallblobs.AppendHead(nil, w.desc.Digest, len(w.raw))) + len(w.raw)
	}
	body := make([]byte, 0, size)
	for _, w := range b.blobs {
		body = append(smallblobs.AppendHead(body, w.desc.Digest, len(w.raw)), w.raw...)
	}
	resp, err := r.send(b.ctx, call{
		method: http.MethodPost, path: "/v2/" + b.repo + smallblobs.WritePath, scopes: push(b.repo),
		header: http.Header{"Content-Type": {smallblobs.MediaTypeFrames}}, body: bytes.NewReader(body), size: int64(len(body)),
		want: []int{http.StatusCreated}, absent: orlop.ErrUnsupported,
	})
	if err == nil {
		_ = drop(resp)
	}
	if r.refusesBatch(err) {
		return // each goes alone, and learns what is wrong with it
	}
	for _, w := range b.blobs {
		r.pushes.tell(w, about("push", w, err))
	}
}

// about is the error of one blob of a batch.
func about(what string, w *waiting, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s blob %s: %w", what, w.desc.Digest, err)
}

// refusesBatch tells whether an error means that the blobs of a batch are to go
// alone. Unless it is about them or their repository, no more batches are sent.
func (r *Registry) refusesBatch(err error) bool {
	if errors.Is(err, orlop.ErrDigestInvalid) || errors.Is(err, orlop.ErrDisallowed) { // of a blob, of a locked repository
		return true
	}
	code := status(err)
	refused := errors.Is(err, ErrRedirect) || code > 0 && code < 500 && !ofCaller(code) || code == http.StatusNotImplemented
	if refused {
		r.apart.Store(true)
	}
	return refused
}

// ReadBlob implements orlop.SmallReader.
func (r *Registry) ReadBlob(ctx context.Context, repo string, desc orlop.Descriptor) ([]byte, error) {
	if err := check(orlop.ValidateRepository(repo), orlop.ValidateDigest(desc.Digest)); err != nil {
		return nil, err
	}
	if desc.Size < 0 {
		return nil, orlop.ErrSizeInvalid.With(fmt.Sprintf("the size of blob %s is %d", desc.Digest, desc.Size))
	}
	w := &waiting{ctx: ctx, repo: repo, desc: desc, alone: desc.Size > maxReadTogether}
	err := r.reads.do(w, func() (err error) {
		w.raw, err = orlop.ReadSmall(ctx, struct{ orlop.Reader }{r}, repo, desc) // by OpenBlob
		return err
	})
	if err != nil {
		return nil, err
	}
	return w.raw, nil
}

// readBatch reads the blobs of a batch. What the answer does not give is asked
// for alone.
func (r *Registry) readBatch(b *batch) {
	var body []byte
	for _, w := range b.blobs {
		body = smallblobs.AppendList(body, w.desc.Digest)
	}
	ctx, begun := r.inTime(b.ctx)
	resp, err := r.send(ctx, call{
		method: http.MethodPost, path: "/v2/" + b.repo + smallblobs.ReadPath, scopes: pull(b.repo),
		header: http.Header{"Content-Type": {smallblobs.MediaTypeList}}, body: bytes.NewReader(body), size: int64(len(body)),
		want: []int{http.StatusOK}, absent: orlop.ErrUnsupported, mediaType: smallblobs.MediaTypeFrames,
	})
	begun()
	switch {
	case err == nil:
		r.takeBlobs(b, resp)
	case r.refusesBatch(err) || errors.Is(err, ErrStalled):
	default:
		for _, w := range b.blobs {
			r.reads.tell(w, about("read", w, err))
		}
	}
}

// takeBlobs takes the blobs of a batch from the answer, one by one. A registry
// that answers otherwise than it should is asked for no more batches.
func (r *Registry) takeBlobs(b *batch, resp *http.Response) {
	defer func() { _ = drop(resp) }()
	frames := smallblobs.NewReader(resp.Body)
	for _, w := range b.blobs {
		f, err := frames.Next()
		wrong := errors.Is(err, smallblobs.ErrFormat) || errors.Is(err, smallblobs.ErrTooLarge)
		if wrong || err == nil && f.Digest != w.desc.Digest {
			r.apart.Store(true)
			return
		}
		switch {
		case err != nil: // the answer breaks off
			return
		case f.Content == nil || int64(len(f.Content)) != w.desc.Size: // the descriptor may be what is wrong
		case !f.Whole():
			r.reads.tell(w, fmt.Errorf("read blob %s of %s: %w: its content has another digest", w.desc.Digest, w.repo, orlop.ErrDamaged))
		default:
			w.raw = f.Content
			r.reads.tell(w, nil)
		}
	}
}

// inTime gives a registry as long to begin its answer, until begun is called, as
// a read that is no POST has (see watcher).
func (r *Registry) inTime(ctx context.Context) (_ context.Context, begun func()) {
	if r.o.IdleTimeout < 0 {
		return ctx, func() {}
	}
	ctx, cancel := context.WithCancelCause(ctx)
	timer := time.AfterFunc(headerTimeoutFactor*r.o.IdleTimeout, func() { cancel(ErrStalled) })
	return ctx, func() { timer.Stop() }
}
