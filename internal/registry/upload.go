package registry

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"io"
	"time"

	"github.com/orlop/orlop"
	"github.com/orlop/orlop/internal/blob"
	"github.com/orlop/orlop/internal/meta"
	"github.com/orlop/orlop/internal/meta/sqlmeta"
)

// upload receives a blob. What fits into the metadata store is kept in memory,
// and in the row of the upload between requests; what outgrows it goes to the
// blob store, hashed as it arrives.
type upload struct {
	r       *Registry
	ctx     context.Context // of the request that this writer serves
	repo    string
	given   bool        // the client knows the id
	row     meta.Upload // as stored, if it has a version
	small   []byte      // content so far, while w is nil
	w       blob.Writer
	digest  *blob.Digester // of what w has
	err     error          // of a write; nothing more is taken after it
	lost    bool           // another request has it
	ended   bool
	release func()
}

var (
	_ orlop.BlobWriter = (*upload)(nil)
	_ io.ReaderFrom    = (*upload)(nil)
)

// Upload starts an upload or goes on with one; see orlop.Writer. One request at
// a time may use it: another gets ErrUploadInvalid with status 409.
func (r *Registry) Upload(ctx context.Context, repo, id string) (orlop.BlobWriter, error) {
	if err := checkName(repo); err != nil {
		return nil, err
	}
	u := &upload{r: r, ctx: ctx, repo: repo, given: id != "", release: func() {}}
	if id == "" {
		u.row = meta.Upload{ID: r.newUploadID(repo), Repo: repo, Principal: r.actor.ID}
		u.row.Expires = r.expires(u.row.ID)
		return u, nil
	}
	if err := r.checkUploadID(repo, id); err != nil {
		return nil, err
	}
	var err error
	if u.release, err = r.uploads.claim(id); err != nil {
		return nil, err
	}
	if r.uploads.over(id) { // asked only now: who had it until now may have ended it
		u.release()
		return nil, orlop.ErrUploadUnknown
	}
	if err := u.resume(ctx, id); err != nil {
		u.release()
		return nil, err
	}
	return u, nil
}

// ChunkMin is how many bytes a chunk of an upload should have at least, but for
// the last; 0: any number will do. Smaller ones are taken too.
func (s *Service) ChunkMin() int64 {
	if store, ok := s.blobs.(blob.Chunked); ok {
		return store.ChunkMin()
	}
	return 0
}

// known tells whether the upload has a row.
func (u *upload) known() bool { return u.row.Version > 0 }

// ID names the upload.
func (u *upload) ID() string { return u.row.ID }

// Offset is how many bytes have arrived.
func (u *upload) Offset() int64 {
	if u.w != nil {
		return u.digest.Size()
	}
	return int64(len(u.small))
}

// Write appends to the upload.
func (u *upload) Write(p []byte) (int, error) {
	if u.err == nil && u.w == nil && len(u.small)+len(p) > u.r.opts.SmallBlob {
		u.err = u.spill()
	}
	if u.err != nil {
		return 0, u.err
	}
	if u.w == nil {
		u.small = append(u.small, p...)
		return len(p), nil
	}
	return u.append(p)
}

// append hashes and stores bytes. After an error the object must not be
// trusted beyond the offset of the row.
func (u *upload) append(p []byte) (int, error) {
	if u.err = u.renew(); u.err != nil {
		return 0, u.err
	}
	u.digest.Write(p)
	n, err := u.w.Write(p)
	u.err = translate(err, nil)
	return n, u.err
}

// copyBuffers are for reading request bodies.
var copyBuffers blob.Buffers

// ReadFrom appends all of a body, or what arrives before it breaks off. It
// begins with a small buffer, which is enough for most bodies, and goes on with
// a large one, so that the store is written and the hash is fed in large pieces.
func (u *upload) ReadFrom(body io.Reader) (n int64, err error) {
	buf := copyBuffers.Small()
	defer func() { copyBuffers.Put(buf) }()
	for {
		k, err := fill(body, *buf)
		written, werr := u.Write((*buf)[:k])
		n += int64(written)
		if werr != nil {
			return n, werr
		}
		if err == io.EOF {
			return n, nil
		}
		if err != nil {
			return n, err
		}
		buf = copyBuffers.Larger(buf)
	}
}

// fill reads until buf is full or the body ends. Unlike io.ReadFull it gives
// the body's own error: io.EOF, or io.ErrUnexpectedEOF if it was cut.
func fill(body io.Reader, buf []byte) (n int, err error) {
	for n < len(buf) && err == nil {
		var k int
		k, err = body.Read(buf[n:])
		n += k
	}
	return n, err
}

// spill moves an upload from memory to the blob store: row first, so that the
// object is never without one. Until the object is synced the row keeps the
// content that was acknowledged.
//
// The key is new each time and not made of the upload's id: an id that comes
// again after its upload has ended must not lead to what that has stored.
func (u *upload) spill() (err error) {
	ctx := context.WithoutCancel(u.ctx) // what arrived of a body that was cut is kept
	if u.digest, err = blob.NewDigester(); err != nil {
		return err
	}
	if u.row.Key != "" { // of a spill that was cut: no content is ever read there
		if err := u.r.blobs.Delete(ctx, u.row.Key); err != nil {
			return translate(err, nil)
		}
	}
	row := u.row
	row.Key, row.Taken = newKey(), u.r.lease()
	if !u.known() {
		row.State = []byte{stateContent}
	}
	if err := u.save(ctx, row); err != nil {
		return err
	}
	if u.w, err = u.r.blobs.Create(ctx, row.Key); err != nil {
		return translate(err, nil)
	}
	small := u.small
	u.small = nil
	_, err = u.append(small)
	return err
}

// newKey makes a key for an object.
func newKey() string {
	var chance [16]byte
	rand.Read(chance[:])
	return hex.EncodeToString(chance[:])
}

// save stores the row of the upload, if it is this request's still. Where
// nothing may be pushed it is refused here already, before the content has
// arrived.
func (u *upload) save(ctx context.Context, row meta.Upload) error {
	err := u.r.db.Update(ctx, func(tx *sqlmeta.Tx) error {
		if err := tx.Writable(u.r.id, u.repo); err != nil {
			return err
		}
		return tx.PutUpload(u.r.id, row)
	})
	if err != nil {
		return u.refused(ctx, err)
	}
	u.row = row
	u.row.Version++
	return nil
}

// Close keeps what has arrived, durable, to be resumed.
func (u *upload) Close() error {
	if u.ended {
		return nil
	}
	defer u.end()
	ctx := context.WithoutCancel(u.ctx) // a client that has gone away comes back
	if u.err != nil {
		return u.recede(ctx)
	}
	if u.known() && u.Offset() == u.row.Offset || u.Offset() == 0 {
		return u.letGo(ctx)
	}
	row, err := u.state()
	if err != nil {
		u.err = err
		return errors.Join(err, u.recede(ctx))
	}
	row.Taken = time.Time{}
	return u.save(ctx, row)
}

// state is the row that tells of all that has arrived, which it makes durable
// first where it is not in the row itself.
func (u *upload) state() (meta.Upload, error) {
	row := u.row
	row.Offset = u.Offset()
	if u.w == nil {
		row.State = append([]byte{stateContent}, u.small...)
		return row, nil
	}
	store, err := u.w.Sync()
	if err != nil {
		return row, translate(err, nil)
	}
	digester, err := u.digest.State()
	row.State = objectState(digester, store)
	return row, err
}

// end lets go of the upload.
func (u *upload) end() {
	u.ended = true
	if u.w != nil {
		u.w.Close()
	}
	u.release()
}
