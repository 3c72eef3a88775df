package files

import (
	"context"
	"errors"
	"io/fs"

	"github.com/orlop/orlop"
)

// restoreFile writes one file in place of whatever file or link is there.
func (t *Target) restoreFile(ctx context.Context, p place, d download) (existed bool, err error) {
	old, err := p.root.Lstat(p.name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return false, err
	case t.options.KeepOldFiles:
		return false, ErrExists
	case old.IsDir():
		return false, errors.New("a directory of this name exists")
	case old.Mode().IsRegular():
		if same, err := hasContent(ctx, p, d.desc); same || ctx.Err() != nil {
			return same, err
		}
	case old.Mode()&fs.ModeSymlink == 0:
		return false, errors.New("it exists and is not a regular file")
	}
	if d.desc.Size <= maxAhead {
		return false, t.writeSmall(ctx, p, old, d)
	}
	return false, t.writeVerified(ctx, p, old, d)
}

// hasContent tells whether the file at p is what desc describes already. A file
// that cannot be read is not.
func hasContent(ctx context.Context, p place, desc orlop.Descriptor) (bool, error) {
	f, err := p.root.Open(p.name)
	if err != nil {
		return false, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() || info.Size() != desc.Size {
		return false, err
	}
	v := desc.Digest.Verifier()
	_, err = copyBuffer(ctx, v, f)
	return err == nil && v.Verified(), err
}

// writeVerified fetches into a partial file beside p and renames it when its
// content is right. A link at p is replaced, not followed. old is the file
// there, nil if none.
func (t *Target) writeVerified(ctx context.Context, p place, old fs.FileInfo, d download) error {
	part, err := t.openPartial(p, d.desc, 0o666)
	if err != nil {
		return err
	}
	d.off = part.size
	err = d.fetch(ctx, part.File)
	if err == nil {
		err = likeOld(part.File, old)
	}
	if err != nil {
		part.close(d.cut)
		return err
	}
	return part.rename(p.name)
}
