package files

import (
	"archive/tar"
	"bufio"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"

	"github.com/opencontainers/go-digest"
)

// packedDir is a directory as a gzipped tar in a temporary file.
type packedDir struct {
	file      *os.File
	path      string // of the file, "" if it has no name any more
	digest    digest.Digest
	size      int64
	tarDigest digest.Digest // of the tar before compression
}

func (p *packedDir) open() (handle, error) { return packedHandle{p.file}, nil }

// remove removes the temporary file.
func (p *packedDir) remove() error {
	err := p.file.Close()
	if p.path != "" {
		err = errors.Join(err, os.Remove(p.path))
	}
	return err
}

// packedHandle reads the temporary file, which nobody else can reach.
type packedHandle struct{ io.ReaderAt }

func (packedHandle) Close() error     { return nil }
func (packedHandle) unchanged() error { return nil }

// packDirectory packs dir as ORAS does, so that the same tree gives the same
// digest: in the order of names, each below title, without owners, with
// permissions and times.
func packDirectory(ctx context.Context, dir, title, tempDir string, read tally) (*packedDir, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	f, err := os.CreateTemp(tempDir, "orlop-*.tar.gz")
	if err != nil {
		return nil, err
	}
	p := &packedDir{file: f, path: f.Name()}
	if os.Remove(p.path) == nil { // where the system allows it, nothing is left of a crash
		p.path = ""
	}
	if err := p.write(ctx, root, title, read); err != nil {
		return nil, errors.Join(err, p.remove())
	}
	return p, nil
}

func (p *packedDir) write(ctx context.Context, root *os.Root, title string, read tally) error {
	packed, plain := digest.SHA256.Digester(), digest.SHA256.Digester()
	buffered := bufio.NewWriterSize(io.MultiWriter(p.file, packed.Hash()), bufferSize)
	gz := gzip.NewWriter(buffered)
	if err := writeTar(ctx, io.MultiWriter(gz, plain.Hash(), read.counter()), root, title); err != nil {
		return err
	}
	if err := errors.Join(gz.Close(), buffered.Flush()); err != nil {
		return err
	}
	info, err := p.file.Stat()
	if err != nil {
		return err
	}
	p.digest, p.size, p.tarDigest = packed.Digest(), info.Size(), plain.Digest()
	return nil
}

func writeTar(ctx context.Context, w io.Writer, root *os.Root, title string) error {
	tw := tar.NewWriter(w)
	err := fs.WalkDir(root.FS(), ".", func(name string, _ fs.DirEntry, err error) error {
		if err == nil {
			err = writeEntry(ctx, tw, root, name, title)
		}
		return err
	})
	if err != nil {
		return err
	}
	return tw.Close()
}

func writeEntry(ctx context.Context, tw *tar.Writer, root *os.Root, name, title string) error {
	info, err := root.Lstat(name)
	if err != nil {
		return err
	}
	if info.Mode()&fs.ModeSocket != 0 {
		return nil // a tar cannot hold it
	}
	h, err := header(root, name, info)
	if err != nil {
		return err
	}
	h.Name = path.Join(title, name)
	if err := tw.WriteHeader(h); err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return nil
	}
	return writeFile(ctx, tw, root, name, h.Size)
}

func header(root *os.Root, name string, info fs.FileInfo) (*tar.Header, error) {
	var link string
	if info.Mode()&fs.ModeSymlink != 0 {
		var err error
		if link, err = root.Readlink(name); err != nil {
			return nil, err
		}
	}
	h, err := tar.FileInfoHeader(info, link)
	if err != nil {
		return nil, err
	}
	h.Uid, h.Gid, h.Uname, h.Gname = 0, 0, "", ""
	return h, nil
}

func writeFile(ctx context.Context, tw *tar.Writer, root *os.Root, name string, size int64) error {
	f, err := root.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	n, err := copyBuffer(ctx, tw, f)
	if errors.Is(err, tar.ErrWriteTooLong) || err == nil && n != size {
		return fmt.Errorf("%s: %w", name, ErrChanged)
	}
	return err
}
