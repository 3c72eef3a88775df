//go:build !unix

package files

import "io"

func (t *Target) makeNew(p place, content []byte) error { return replace(p, content, nil) }

func (n *newFile) writeWhole(content []byte) error {
	return n.write(func(w io.Writer) error { _, err := w.Write(content); return err })
}
