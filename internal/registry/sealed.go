package registry

import (
	"context"
	"io"

	"github.com/orlop/orlop"
	"github.com/orlop/orlop/internal/blob"
)

// sealed is the writer of an object that is final: a crash came after the object
// was committed and before its row was gone. All that is left to do is to commit
// once more, which the client does that got no answer.
type sealed struct{}

func (sealed) Write(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	return 0, orlop.ErrUploadInvalid.With("the upload has all of its content, and only its end is missing")
}

func (sealed) Sync() ([]byte, error) { return nil, nil }
func (sealed) Commit() error         { return nil }
func (sealed) Close() error          { return nil }

// reseal goes on with an upload whose object is final. The object may have got
// more bytes than its row tells of: those are hashed now. blob.ErrNotFound if
// there is no such object.
func (u *upload) reseal(ctx context.Context) error {
	obj, err := u.r.blobs.Open(ctx, u.row.Key)
	if err != nil {
		return err
	}
	defer obj.Close()
	if obj.Size() < u.row.Offset {
		return blob.ErrShort
	}
	if _, err := io.Copy(u.digest, io.NewSectionReader(obj, u.row.Offset, obj.Size()-u.row.Offset)); err != nil {
		return err
	}
	u.w = sealed{}
	return nil
}
