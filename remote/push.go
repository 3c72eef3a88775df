package remote

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/orlop/orlop"
)

// PushBlob implements orlop.Writer. It asks for no existing blob; that is for
// the caller to do. Content that can be read again (io.Seeker, best with
// io.ReaderAt, or at most 1 MiB) is sent again, as far as it is missing, if the
// connection breaks or the registry is not available for a while, and goes on
// from what an earlier process has sent (Options.Uploads). It is read from
// where it stands.
func (r *Registry) PushBlob(ctx context.Context, repo string, desc orlop.Descriptor, content io.Reader) error {
	_, err := r.push(ctx, repo, nil, desc, content)
	return err
}

// blobPush is the push of one blob.
type blobPush struct {
	r     *Registry
	repo  string
	desc  orlop.Descriptor
	src   source
	mount *mount // to try first; nil: none
	kept  bool   // Options.Uploads remembers it
}

func (r *Registry) push(ctx context.Context, repo string, m *mount, desc orlop.Descriptor, content io.Reader) (mounted bool, err error) {
	if err := check(orlop.ValidateRepository(repo), orlop.ValidateDigest(desc.Digest)); err != nil {
		return false, err
	}
	if desc.Size < 0 {
		return false, orlop.ErrSizeInvalid.With(fmt.Sprintf("the size of blob %s is %d", desc.Digest, desc.Size))
	}
	src, err := newSource(content, desc.Size)
	if err != nil {
		return false, err
	}
	p := &blobPush{r: r, repo: repo, desc: desc, src: src, mount: m}
	if desc.Size <= maxSinglePost {
		return p.inQueue(ctx)
	}
	defer p.claim()()
	return p.run(ctx)
}

// inQueue pushes a small blob, with others or alone.
func (p *blobPush) inQueue(ctx context.Context) (mounted bool, err error) {
	w := &waiting{ctx: ctx, repo: p.repo, desc: p.desc}
	w.alone = p.desc.Size > maxPushTogether || p.mount != nil && p.mount.from != ""
	if !w.alone {
		if w.raw, err = readSource(p.src, p.desc.Size); err != nil {
			return false, err
		}
		p.src = chunk{raw: w.raw}
	}
	err = p.r.pushes.do(w, func() error {
		mounted, err = p.run(ctx)
		return err
	})
	return mounted, err
}

// run goes on with the upload of an earlier process, or begins one.
func (p *blobPush) run(ctx context.Context) (mounted bool, err error) {
	if s := p.resume(ctx); s != nil {
		if err := p.send(ctx, s); err == nil || !p.startsOver(ctx, err) {
			return false, err
		}
	}
	s := p.session()
	if mounted, err = p.start(ctx, s); err != nil || s.done {
		return mounted, err
	}
	return false, p.send(ctx, s)
}

func (p *blobPush) session() *session {
	s := &session{r: p.r, repo: p.repo}
	if p.kept {
		s.blob = p.desc.Digest
	}
	return s
}

// start opens an upload session, or is done by the request that would.
func (p *blobPush) start(ctx context.Context, s *session) (mounted bool, err error) {
	small := p.desc.Size <= maxSinglePost && !p.r.twoStep.Load()
	if p.mount != nil && !(small && p.mount.from == "") { // there sending costs no more than asking
		return s.mount(ctx, *p.mount, p.desc.Digest)
	}
	if small {
		return false, p.post(ctx, s)
	}
	return false, s.restart(ctx)
}

// maxSinglePost is the largest blob, in bytes, that is sent with the POST.
const maxSinglePost = 64 << 10

// post sends a small blob with the request that opens the session, which saves
// another where the registry can do that (distribution specification, "POST
// then PUT", "Single POST").
func (p *blobPush) post(ctx context.Context, s *session) error {
	raw, err := readSource(p.src, p.desc.Size)
	if err != nil {
		return err
	}
	err = s.post(ctx, raw, p.desc.Digest)
	switch {
	case err == nil:
		return nil
	case !refusesPost(err):
		return fmt.Errorf("push blob %s: %w", p.desc.Digest, err)
	}
	p.r.twoStep.Store(true)
	return s.restart(ctx)
}

// refusesPost tells whether an error can mean that the registry takes no blob
// by one POST. What else it can mean, an ordinary upload will tell.
func refusesPost(err error) bool {
	if errors.Is(err, orlop.ErrDigestInvalid) || errors.Is(err, orlop.ErrSizeInvalid) {
		return false
	}
	code := status(err)
	return code >= 400 && code < 500 && !ofCaller(code) || code == http.StatusNotImplemented
}

// send sends the content to the session. After a failure that another process
// may outlive the session stays.
func (p *blobPush) send(ctx context.Context, s *session) error {
	err := s.upload(ctx, p.src, p.desc.Size, p.desc.Digest)
	if err == nil {
		s.forget()
		return nil
	}
	if !p.kept || refusesUpload(err) {
		s.forget()
		s.abandon(ctx)
	}
	return fmt.Errorf("push blob %s: %w", p.desc.Digest, err)
}

// refusesUpload tells whether an error means that a session is of no use any
// more, rather than that it could not be reached, or not by this caller.
func refusesUpload(err error) bool {
	for _, bad := range []error{orlop.ErrDigestInvalid, orlop.ErrSizeInvalid, orlop.ErrUploadInvalid, orlop.ErrUploadUnknown} {
		if errors.Is(err, bad) {
			return true
		}
	}
	code := status(err)
	return code >= 400 && code < 500 && !ofCaller(code)
}
