//go:build !unix

package files

func (t *Target) makeNew(p place, content []byte) error { return replace(p, content, nil) }
