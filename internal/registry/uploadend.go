package registry

import (
	"bytes"
	"context"
	"errors"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/orlop/orlop"
	"github.com/orlop/orlop/internal/blob"
	"github.com/orlop/orlop/internal/meta"
	"github.com/orlop/orlop/internal/meta/sqlmeta"
)

// recede gives back the space of what arrived since the row was stored, after
// an error of the store: all of it, if nothing has been acknowledged.
func (u *upload) recede(ctx context.Context) error {
	if u.w != nil {
		u.w.Close()
	}
	switch {
	case u.lost:
		return u.forget(ctx, u.row.Key)
	case !u.known():
		return nil
	case u.row.Offset == 0:
		return u.drop(ctx)
	case u.row.State[0] == stateContent && u.row.Key != "": // no content is ever read there
		return errors.Join(translate(u.r.blobs.Delete(ctx, u.row.Key), nil), u.letGo(ctx))
	}
	return u.letGo(ctx) // the store has cut the object itself
}

// drop takes an upload back to where nothing has arrived.
func (u *upload) drop(ctx context.Context) error {
	if !u.known() {
		return nil
	}
	return u.remove(ctx, func(tx *sqlmeta.Tx) error { return tx.DeleteUpload(u.r.id, u.row) })
}

// giveUp ends an upload that does not become a blob.
func (u *upload) giveUp(ctx context.Context) error {
	u.r.uploads.end(u.row.ID)
	if !u.leavesTrace() && !u.known() {
		return nil
	}
	return u.remove(ctx, func(tx *sqlmeta.Tx) error { return tx.EndUpload(u.r.id, u.row, "") })
}

// discard ends an upload whose content is not what it was said to be.
func (u *upload) discard(ctx context.Context) error {
	if u.leavesTrace() {
		return u.giveUp(ctx)
	}
	u.r.uploads.end(u.row.ID)
	return u.drop(ctx)
}

// leavesTrace tells whether the end of the upload must be stored, so that other
// nodes know of it.
func (u *upload) leavesTrace() bool { return u.r.opts.Shared && u.given }

// remove changes the row so that it does not name the object, and deletes that.
// Where the disk is full and no row can be changed, the object goes all the
// same, unless another node could have it by now.
func (u *upload) remove(ctx context.Context, change func(tx *sqlmeta.Tx) error) error {
	err := u.r.db.Update(ctx, change)
	if err != nil {
		err = u.refused(ctx, err)
	}
	key := u.row.Key
	if u.lost {
		return errors.Join(err, u.forget(ctx, key))
	}
	if key != "" && (err == nil || !u.r.opts.Shared) {
		err = errors.Join(err, translate(u.r.blobs.Delete(ctx, key), nil))
	}
	u.row.Version, u.row.Key, u.row.Taken = 0, "", time.Time{}
	return err
}

// Cancel ends the upload and drops what has arrived.
func (u *upload) Cancel(ctx context.Context) error {
	if u.ended {
		return nil
	}
	defer u.end()
	if u.w != nil {
		u.w.Close()
	}
	return u.giveUp(context.WithoutCancel(ctx))
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
		err = errors.Join(err, u.discard(context.WithoutCancel(ctx)))
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
	if err := u.renew(); err != nil {
		return err
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

// endedUploads is how long an upload that has ended is told from a new one on
// other nodes.
const endedUploads = time.Hour

// publish makes the blob visible in its repository, and removes what is not
// needed then: the object just written, if the registry had the blob already or
// the upload was lost meanwhile, and that of a spill that was cut.
func (u *upload) publish(ctx context.Context, b meta.Blob) error {
	release := u.r.cache.hold(u.r.key(u.repo, string(b.Digest)).of(cachedBlob))
	defer release()
	ctx = context.WithoutCancel(ctx)
	stored := false
	err := u.r.db.Update(ctx, func(tx *sqlmeta.Tx) (err error) {
		if stored, err = tx.PutBlob(u.r.id, u.repo, b); err != nil {
			return err
		}
		return u.finished(tx, b.Key)
	})
	if err != nil {
		err = u.refused(ctx, err) // its row still names the object
		if u.lost {
			err = errors.Join(err, u.forget(ctx, b.Key))
		}
		return err
	}
	u.r.uploads.end(u.row.ID)
	if u.row.Key != "" && (!stored || b.Key == "") {
		if err := u.r.blobs.Delete(ctx, u.row.Key); err != nil {
			u.r.opts.Log.Warn("surplus object not removed yet", "key", u.row.Key, "error", err)
		}
	}
	return nil
}

// finished ends the upload in the transaction that makes its blob.
func (u *upload) finished(tx *sqlmeta.Tx, key string) error {
	switch {
	case u.leavesTrace():
		row := u.row
		if until := u.r.opts.Now().Add(endedUploads); until.Before(row.Expires) {
			row.Expires = until
		}
		return tx.EndUpload(u.r.id, row, key)
	case u.known():
		return tx.FinishUpload(u.r.id, u.row, key)
	}
	return nil
}
