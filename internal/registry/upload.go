package registry

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"

	"github.com/opencontainers/go-digest"

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
	row     meta.Upload // as stored, if known is set
	known   bool        // a row exists
	small   []byte      // content so far, while w is nil
	w       blob.Writer
	digest  *blob.Digester // of what w has
	err     error          // of a write; nothing more is taken after it
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
	u := &upload{r: r, ctx: ctx, repo: repo, release: func() {}}
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

// The state of an upload in its row begins with what it is: the content itself,
// or, where the content is in the blob store, the digester's state after its
// length in four bytes, and the store's.
const (
	stateContent byte = 'c'
	stateObject  byte = 'o'
)

func objectState(digester, store []byte) []byte {
	b := binary.BigEndian.AppendUint32([]byte{stateObject}, uint32(len(digester)))
	return append(append(b, digester...), store...)
}

// splitState is the reverse of objectState.
func splitState(state []byte) (digester, store []byte, err error) {
	const header = 5
	if len(state) < header || state[0] != stateObject {
		return nil, nil, errors.New("state of another kind")
	}
	n, rest := binary.BigEndian.Uint32(state[1:]), state[header:]
	if uint64(n) > uint64(len(rest)) {
		return nil, nil, errors.New("state is cut short")
	}
	return rest[:n], rest[n:], nil
}

// resume brings back what an upload has received. Without a row it has
// received nothing.
func (u *upload) resume(ctx context.Context, id string) error {
	row, err := u.r.db.Upload(ctx, u.r.id, id)
	if errors.Is(err, sqlmeta.ErrNotFound) {
		u.row = meta.Upload{ID: id, Repo: u.repo, Principal: u.r.actor.ID, Expires: u.r.expires(id)}
		return nil
	}
	if err != nil {
		return translate(err, nil)
	}
	if row.Cancelled || len(row.State) == 0 {
		return orlop.ErrUploadUnknown
	}
	u.row, u.known = row, true
	if row.State[0] == stateContent {
		u.small = row.State[1:]
		return nil
	}
	return u.reopen(ctx)
}

// reopen opens the object of an upload at the offset that its row states.
func (u *upload) reopen(ctx context.Context) error {
	digester, store, err := splitState(u.row.State)
	if err == nil {
		u.digest, err = blob.RestoreDigester(digester)
	}
	if err != nil {
		return fmt.Errorf("restore upload: %w", err)
	}
	u.w, err = u.r.blobs.Append(ctx, u.row.Key, u.row.Offset, store)
	if errors.Is(err, blob.ErrNotFound) {
		err = u.reseal(ctx)
	}
	if errors.Is(err, blob.ErrNotFound) || errors.Is(err, blob.ErrShort) {
		u.r.opts.Log.Error("content of an upload is lost", "upload", u.row.Key, "offset", u.row.Offset, "error", err)
		return orlop.ErrUploadUnknown
	}
	return translate(err, nil)
}

// UploadOffset tells how much of an upload has arrived.
func (r *Registry) UploadOffset(ctx context.Context, repo, id string) (int64, error) {
	if err := checkName(repo); err != nil {
		return 0, err
	}
	if err := r.checkUploadID(repo, id); err != nil {
		return 0, err
	}
	if r.uploads.over(id) {
		return 0, orlop.ErrUploadUnknown
	}
	row, err := r.db.Upload(ctx, r.id, id)
	if errors.Is(err, sqlmeta.ErrNotFound) {
		return 0, nil
	}
	if row.Cancelled {
		return 0, orlop.ErrUploadUnknown
	}
	return row.Offset, translate(err, nil)
}

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
	if u.row.Key != "" { // of a spill that was cut
		if err := u.r.blobs.Delete(ctx, u.row.Key); err != nil {
			return translate(err, nil)
		}
	}
	row := u.row
	row.Key = newKey()
	if !u.known {
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

// save stores the row of the upload. Where nothing may be pushed it is refused
// here already, before the content has arrived.
func (u *upload) save(ctx context.Context, row meta.Upload) error {
	err := u.r.db.Update(ctx, func(tx *sqlmeta.Tx) error {
		if err := tx.Writable(u.r.id, u.repo); err != nil {
			return err
		}
		return tx.PutUpload(u.r.id, row)
	})
	if err != nil {
		return translate(err, nil)
	}
	u.row, u.known = row, true
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
	if u.known && u.Offset() == u.row.Offset || u.Offset() == 0 {
		return nil
	}
	row, err := u.state()
	if err != nil {
		u.err = err
		return errors.Join(err, u.recede(ctx))
	}
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

// recede gives back the space of what arrived since the row was stored, after
// an error of the store: all of it, if nothing has been acknowledged.
func (u *upload) recede(ctx context.Context) error {
	if u.w != nil {
		u.w.Close()
	}
	switch {
	case !u.known:
		return nil
	case u.row.Offset == 0:
		return u.drop(ctx)
	case u.row.State[0] == stateContent && u.row.Key != "":
		return translate(u.r.blobs.Delete(ctx, u.row.Key), nil)
	}
	return nil // the store has cut the object itself
}

// drop takes an upload back to where nothing has arrived.
func (u *upload) drop(ctx context.Context) error {
	var err error
	if u.row.Key != "" {
		err = u.r.blobs.Delete(ctx, u.row.Key)
	}
	if u.known {
		err = errors.Join(err, u.r.db.Update(ctx, func(tx *sqlmeta.Tx) error { return tx.DeleteUpload(u.r.id, u.row.ID) }))
	}
	u.known, u.row.Key = false, ""
	return translate(err, nil)
}

// Cancel ends the upload and drops what has arrived.
func (u *upload) Cancel(ctx context.Context) error {
	if u.ended {
		return nil
	}
	defer u.end()
	ctx = context.WithoutCancel(ctx)
	if u.w != nil {
		u.w.Close()
	}
	u.r.uploads.end(u.row.ID)
	if !u.known {
		return nil // what never had a row needs none to be gone
	}
	err := u.r.db.Update(ctx, func(tx *sqlmeta.Tx) error { return tx.CancelUpload(u.r.id, u.row) })
	if u.row.Key != "" {
		err = errors.Join(err, u.r.blobs.Delete(ctx, u.row.Key))
	}
	return translate(err, nil)
}

// Commit ends the upload: the content must match d. Bytes first, row second.
func (u *upload) Commit(ctx context.Context, d digest.Digest) (orlop.Descriptor, error) {
	if err := checkDigest(d); err != nil {
		return orlop.Descriptor{}, err
	}
	if u.ended || u.err != nil {
		return orlop.Descriptor{}, errors.Join(u.err, orlop.ErrUploadInvalid)
	}
	b := meta.Blob{Digest: d, Size: u.Offset()}
	err := u.finish(ctx, &b)
	if errors.Is(err, orlop.ErrDigestInvalid) {
		u.r.uploads.end(u.row.ID)
		err = errors.Join(err, u.drop(context.WithoutCancel(ctx)))
	}
	if err != nil {
		u.err = err
		return orlop.Descriptor{}, err
	}
	defer u.end()
	return describe(&b), u.publish(ctx, b)
}

// finish verifies the content and makes it durable where it is not kept in the
// row.
func (u *upload) finish(ctx context.Context, b *meta.Blob) error {
	mismatch := orlop.ErrDigestInvalid.WithDetail(map[string]string{"digest": string(b.Digest)})
	if u.w == nil {
		b.Content = bytes.Clone(u.small)
		if b.Digest.Algorithm().FromBytes(u.small) != b.Digest {
			return mismatch
		}
		return nil
	}
	b.Key, b.Sums = u.row.Key, u.digest.Sums()
	if got, err := u.digest.Digest(b.Digest.Algorithm()); err == nil && got != b.Digest {
		return mismatch
	}
	if err := u.w.Commit(); err != nil {
		return translate(err, nil)
	}
	return u.rehash(ctx, b, mismatch)
}

// rehash reads the content once more where the client has named an algorithm
// only at the end that was not the one hashed on arrival.
func (u *upload) rehash(ctx context.Context, b *meta.Blob, mismatch error) error {
	if _, err := u.digest.Digest(b.Digest.Algorithm()); err == nil {
		return nil
	}
	obj, err := u.r.blobs.Open(ctx, b.Key)
	if err != nil {
		return translate(err, nil)
	}
	rd := blob.NewReader(obj, b.Size, b.Sums, 0, b.Size)
	defer rd.Close()
	hash := b.Digest.Algorithm().Digester()
	if _, err := rd.WriteTo(hash.Hash()); err != nil {
		return translate(err, nil)
	}
	if hash.Digest() != b.Digest {
		return mismatch
	}
	return nil
}

// publish makes the blob visible in its repository, and removes what is not
// needed then: the object just written, if the registry had the blob already or
// the upload has expired meanwhile, and that of a spill that was cut.
func (u *upload) publish(ctx context.Context, b meta.Blob) error {
	release := u.r.cache.hold(u.r.key(u.repo, string(b.Digest)).of(cachedBlob))
	defer release()
	ctx = context.WithoutCancel(ctx)
	stored := false
	err := u.r.db.Update(ctx, func(tx *sqlmeta.Tx) (err error) {
		if stored, err = tx.PutBlob(u.r.id, u.repo, b); err != nil || !u.known {
			return err
		}
		return tx.FinishUpload(u.r.id, u.row.ID, b.Key)
	})
	expired := errors.Is(err, sqlmeta.ErrNotFound)
	if err != nil && !expired {
		return translate(err, nil) // its row still names the object
	}
	u.r.uploads.end(u.row.ID)
	if u.row.Key != "" && (!stored || expired || b.Key == "") {
		if err := u.r.blobs.Delete(ctx, u.row.Key); err != nil {
			u.r.opts.Log.Warn("surplus object not removed yet", "key", u.row.Key, "error", err)
		}
	}
	return translate(err, orlop.ErrUploadUnknown)
}
