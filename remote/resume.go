package remote

import (
	"context"
	"net/http"

	"github.com/opencontainers/go-digest"
)

// UploadStore remembers uploads that have begun and not ended, so that a later
// process goes on with them. An id is the location of an upload below the
// registry's origin; whoever knows it and may push can go on with it.
//
// Its methods may be called concurrently, but for one blob of a repository by
// one goroutine only. What fails in it is for itself to deal with: nothing
// depends on it but speed.
type UploadStore interface {
	// Load returns the id of an upload, or "" if none is known, or if another
	// process that still runs goes on with it: two must not send to one.
	Load(registry, repo string, dgst digest.Digest) (id string)
	// Save remembers the id of an upload. An empty id forgets it.
	Save(registry, repo string, dgst digest.Digest, id string)
}

// minKept is the size of the smallest blob, in bytes, whose upload is
// remembered: less is soon sent again.
const minKept = 8 << 20

// uploadKey names an upload of this process.
type uploadKey struct {
	repo   string
	digest digest.Digest
}

// claim lets the upload be remembered, if it is worth it and no other of this
// process is, until release.
func (p *blobPush) claim() (release func()) {
	if p.r.o.Uploads == nil || p.desc.Size < minKept {
		return func() {}
	}
	key := uploadKey{p.repo, p.desc.Digest}
	if _, taken := p.r.uploads.LoadOrStore(key, struct{}{}); taken {
		return func() {}
	}
	p.kept = true
	return func() { p.r.uploads.Delete(key) }
}

// resume returns the session of an earlier process, or nil if there is none
// that could go on. What an earlier process has sent is not believed: the
// registry checks the digest of the whole.
func (p *blobPush) resume(ctx context.Context) *session {
	if !p.kept {
		return nil
	}
	id := p.r.o.Uploads.Load(p.r.name, p.repo, p.desc.Digest)
	if id == "" {
		return nil
	}
	s := p.session()
	if err := s.resume(ctx, id); err != nil {
		return nil // if it is not the session, the next request will tell
	}
	if _, ok := p.src.at(s.offset); ok && s.offset <= p.desc.Size {
		return s
	}
	s.forget()
	s.abandon(ctx)
	return nil
}

// startsOver tells whether a new session may succeed where that of an earlier
// process has failed.
func (p *blobPush) startsOver(ctx context.Context, err error) bool {
	_, again := p.src.at(0)
	return again && ctx.Err() == nil && (refusesUpload(err) || status(err) == http.StatusNotImplemented)
}

// note remembers where the session goes on.
func (s *session) note() {
	if id := s.id(); s.blob != "" && id != s.noted {
		s.r.o.Uploads.Save(s.r.name, s.repo, s.blob, id)
		s.noted = id
	}
}

// forget drops what was noted of the session.
func (s *session) forget() {
	if s.blob != "" {
		s.r.o.Uploads.Save(s.r.name, s.repo, s.blob, "")
		s.noted = ""
	}
}
