package registry

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/orlop/orlop"
	"github.com/orlop/orlop/internal/blob"
	"github.com/orlop/orlop/internal/meta"
	"github.com/orlop/orlop/internal/meta/sqlmeta"
)

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
	if row.Ended || len(row.State) == 0 {
		return orlop.ErrUploadUnknown
	}
	u.row = row
	abandoned, err := u.take(ctx)
	if err != nil {
		return err
	}
	if row.State[0] == stateContent {
		u.small = row.State[1:]
		return nil
	}
	ctx = context.WithoutCancel(ctx) // what arrives of a body that is cut is kept
	err = u.reopen(ctx, abandoned)
	if err != nil && !abandoned { // else the next one is to know that it was
		err = errors.Join(err, u.letGo(ctx))
	}
	return err
}

// reopen opens the object of an upload at the offset that its row states. An
// abandoned one may be written to still by the request that had it.
func (u *upload) reopen(ctx context.Context, abandoned bool) error {
	digester, store, err := splitState(u.row.State)
	if err == nil {
		u.digest, err = blob.RestoreDigester(digester)
	}
	if err != nil {
		return fmt.Errorf("restore upload: %w", err)
	}
	if forker, ok := u.r.blobs.(blob.Forker); ok && abandoned {
		err = u.fork(ctx, forker, digester, store)
	} else {
		u.w, err = u.r.blobs.Append(ctx, u.row.Key, u.row.Offset, store)
	}
	if errors.Is(err, blob.ErrNotFound) {
		err = u.reseal(ctx)
	}
	if errors.Is(err, blob.ErrNotFound) || errors.Is(err, blob.ErrShort) {
		u.r.opts.Log.Error("content of an upload is lost", "upload", u.row.Key, "offset", u.row.Offset, "error", err)
		return orlop.ErrUploadUnknown
	}
	return translate(err, nil)
}

// fork goes on with a new object that has the content of the old one, where
// nobody else can write. Until its row names the new one, the collector does.
func (u *upload) fork(ctx context.Context, store blob.Forker, digester, state []byte) (err error) {
	row := u.row
	row.Key = newKey()
	if err := u.r.db.Update(ctx, func(tx *sqlmeta.Tx) error { return tx.ForkObject(u.r.id, row.Key, row.Expires) }); err != nil {
		return err
	}
	if u.w, err = store.Fork(ctx, u.row.Key, row.Key, u.row.Offset, state); err == nil {
		state, err = u.w.Sync()
	}
	if err != nil {
		return errors.Join(err, u.r.blobs.Delete(ctx, row.Key))
	}
	row.State, row.Taken = objectState(digester, state), u.r.lease()
	if err := u.r.db.Update(ctx, func(tx *sqlmeta.Tx) error { return tx.PutForked(u.r.id, row, u.row.Key) }); err != nil {
		return errors.Join(u.refused(ctx, err), u.w.Close())
	}
	u.row = row
	u.row.Version++
	return nil
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
	if row.Ended {
		return 0, orlop.ErrUploadUnknown
	}
	return row.Offset, translate(err, nil)
}
