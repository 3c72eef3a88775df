package files

import (
	"archive/tar"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"time"

	"github.com/opencontainers/go-digest"
)

// packer packs one directory.
type packer struct {
	dir, title   string
	compression  string
	reproducible bool
	epoch        time.Time
	read         tally // of the tar
}

// packed is a packed directory.
type packed struct {
	spooled
	tarDigest digest.Digest // of the tar before compression
}

// pack packs the directory into s as ORAS does, so that the same tree gives the
// same digest: in the order of names, each below title, without owners, with
// permissions and times.
func (p *packer) pack(ctx context.Context, s *spool) (packed, error) {
	plain := digest.SHA256.Digester()
	if err := p.write(ctx, s, plain.Hash()); err != nil {
		return packed{}, errors.Join(err, s.abort())
	}
	r, err := s.finish()
	return packed{r, plain.Digest()}, err
}

// write writes the archive to w, and the tar before compression to plain.
func (p *packer) write(ctx context.Context, w, plain io.Writer) error {
	codec, err := newCodec(p.compression)
	if err != nil {
		return err
	}
	root, err := os.OpenRoot(p.dir)
	if err != nil {
		return err
	}
	defer root.Close()
	blocks := newBlockWriter(codec, w, plain)
	err = p.writeTar(ctx, io.MultiWriter(blocks, p.read.counter()), root)
	if e := blocks.Close(); err == nil {
		err = e
	}
	return err
}

func (p *packer) writeTar(ctx context.Context, w io.Writer, root *os.Root) error {
	tw := tar.NewWriter(w)
	for n, err := range readTree(ctx, root) {
		if err != nil {
			return err
		}
		if err := p.writeNode(ctx, tw, n); err != nil {
			return err
		}
	}
	return tw.Close()
}

func (p *packer) writeNode(ctx context.Context, tw *tar.Writer, n *node) error {
	if n.info.Mode()&fs.ModeSocket != 0 {
		return nil // a tar cannot hold it
	}
	h, err := p.header(n)
	if err != nil {
		return named(n.name, err)
	}
	if err := tw.WriteHeader(h); err != nil {
		return err
	}
	if !n.info.Mode().IsRegular() {
		return nil
	}
	if err := n.writeTo(ctx, tw); errors.Is(err, ErrChanged) {
		return named(n.name, err)
	} else if err != nil {
		return err
	}
	return nil
}

func (p *packer) header(n *node) (*tar.Header, error) {
	h, err := tar.FileInfoHeader(ownerless{n.info}, n.link)
	if err != nil {
		return nil, err
	}
	h.Name = path.Join(p.title, n.name)
	h.Uid, h.Gid = 0, 0
	if p.reproducible {
		h.Mode = plainMode(n.info.Mode())
		h.ModTime, h.AccessTime, h.ChangeTime = p.epochOr1970(), time.Time{}, time.Time{}
	} else if !p.epoch.IsZero() && h.ModTime.After(p.epoch) {
		h.ModTime = p.epoch
	}
	return h, nil
}

func (p *packer) epochOr1970() time.Time {
	if p.epoch.IsZero() {
		return time.Unix(0, 0)
	}
	return p.epoch
}

// plainMode returns the permissions that a file has on any machine.
func plainMode(mode fs.FileMode) int64 {
	switch {
	case mode&fs.ModeSymlink != 0:
		return 0o777
	case mode.IsDir(), mode&0o111 != 0:
		return 0o755
	}
	return 0o644
}

// ownerless is a FileInfo whose owner tar.FileInfoHeader does not look up.
type ownerless struct{ fs.FileInfo }

func (ownerless) Uname() (string, error) { return "", nil }
func (ownerless) Gname() (string, error) { return "", nil }
