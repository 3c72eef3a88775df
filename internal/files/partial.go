package files

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"

	"github.com/opencontainers/go-digest"

	"github.com/orlop/orlop"
)

// minPartial is the smallest content, in bytes, of which a part is worth
// keeping for the next run.
const minPartial = 256 << 10

// partialPattern matches the names that partialName makes, on file systems that
// do not tell upper case from lower case too.
var partialPattern = regexp.MustCompile(`(?i)^\.orlop-[0-9a-f]{12}-[0-9a-f]{12}\.part$`)

// partialName returns the name of the partial file of a blob beside its target,
// which the next run finds again.
func partialName(name string, dgst digest.Digest) string {
	dir, base := filepath.Split(name)
	sum := sha256.Sum256([]byte(string(dgst) + "\x00" + base))
	return filepath.Join(dir, fmt.Sprintf(".orlop-%s-%s.part", dgst.Encoded()[:12], hex.EncodeToString(sum[:6])))
}

// partial is a file that a blob is fetched into, of which others know that it is
// in use.
type partial struct {
	*os.File
	root    *os.Root
	name    string
	release func()
	lasting bool  // the next run finds it again
	size    int64 // bytes that an earlier run has left
}

// openPartial opens the partial file of a blob beside p: that of an earlier run
// if there is one that no other process is using, else a new one.
func (t *Target) openPartial(p place, desc orlop.Descriptor, mode fs.FileMode) (*partial, error) {
	t.sweep(p.root, filepath.Dir(p.name))
	if desc.Size >= minPartial {
		if part := openLasting(p.root, partialName(p.name, desc.Digest), mode); part != nil {
			return part, part.goOn(desc.Size)
		}
	}
	f, temp, release, err := createTemp(p.root, p.name, mode)
	if err != nil {
		return nil, err
	}
	return &partial{File: f, root: p.root, name: temp, release: release}, nil
}

// openLasting opens or makes a partial file; nil if that is not possible, for
// another process uses it, or it is not ours. Its name can be guessed, so
// whatever is there is not trusted: no link is followed.
func openLasting(root *os.Root, name string, mode fs.FileMode) *partial {
	info, err := root.Lstat(name)
	flag := os.O_RDWR
	switch {
	case errors.Is(err, fs.ErrNotExist):
		flag |= os.O_CREATE | os.O_EXCL
	case err != nil || !isOurs(info):
		return nil
	}
	f, err := root.OpenFile(name, flag, mode)
	if err != nil {
		return nil
	}
	part := &partial{File: f, root: root, name: name, lasting: true}
	if part.release, err = lock(f, false); err != nil {
		f.Close()
		if info == nil && !errors.Is(err, errInUse) { // made in vain
			root.Remove(name)
		}
		return nil
	}
	if !part.inPlace() {
		f.Close()
		part.release()
		return nil
	}
	return part
}

// inPlace tells whether the open file is ours and the one that has the name.
func (p *partial) inPlace() bool {
	there, err := p.root.Lstat(p.name)
	if err != nil {
		return false
	}
	open, err := p.Stat()
	return err == nil && isOurs(open) && os.SameFile(there, open)
}

// goOn positions the file behind what it holds. More than the blob has is of no
// use. It closes the file on failure.
func (p *partial) goOn(size int64) error {
	info, err := p.Stat()
	if err == nil && info.Size() > size {
		err = p.Truncate(0)
	} else if err == nil {
		p.size, err = p.Seek(info.Size(), 0)
	}
	if err != nil {
		p.close(false)
	}
	return err
}

// rename gives the file its name and closes it.
func (p *partial) rename(name string) error {
	if p.lasting && !p.inPlace() {
		p.close(false)
		return errSwept
	}
	err := p.Close() // before it is renamed, as some systems want it
	if err == nil {
		err = p.root.Rename(p.name, name)
	}
	if err != nil {
		p.root.Remove(p.name)
	}
	p.release()
	return err
}

// close closes the file and removes it, unless it is to be kept and the next run
// can go on with it.
func (p *partial) close(keep bool) {
	info, err := p.Stat()
	if !keep || !p.lasting || err != nil || info.Size() == 0 {
		p.root.Remove(p.name)
	}
	p.Close()
	p.release()
}
