package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime"
	"strings"

	"github.com/orlop/orlop"
	"github.com/orlop/orlop/layout"
	"github.com/orlop/orlop/ref"
)

// openLayout opens the image layout that a reference names: a directory, or a
// tar file to be read. With create a directory is made if there is none.
func (o *targetOptions) openLayout(raw string, create bool) (*target, error) {
	p, err := o.parseLayout(raw)
	if err != nil {
		return nil, err
	}
	var reg orlop.Registry
	switch info, statErr := os.Stat(p.base); {
	case statErr == nil && info.Mode().IsRegular():
		reg, err = layout.OpenTar(p.base)
	case create:
		reg, err = layout.Create(p.base)
	default:
		reg, err = layout.Open(p.base)
	}
	if !create && errors.Is(err, fs.ErrNotExist) {
		return nil, withHint(fmt.Errorf("%s is no OCI image layout", p.base), "check the path; push makes a layout if there is none")
	}
	if err != nil {
		return nil, err
	}
	return newTarget(kindLayout, reg, p), nil
}

// parseLayout parses the reference that --oci-layout or --oci-layout-path
// announced.
func (o *targetOptions) parseLayout(raw string) (parsedRef, error) {
	p := parseLayout(raw, runtime.GOOS == "windows")
	if o.ociLayoutPath != "" {
		p = parsedRef{base: o.ociLayoutPath, reference: raw}
		if _, err := ref.ValidateDigest(raw); err != nil {
			p.tags = strings.Split(raw, ",")
			p.reference = p.tags[0]
		}
		p.typed = p.reference
	}
	for _, tag := range p.tags {
		if err := layout.ValidateName(tag); err != nil {
			return parsedRef{}, &usageError{err: err}
		}
	}
	return p, nil
}

// parseLayout parses path[:tag[,tag…]|@digest]. A colon that belongs to a path
// separator or a Windows drive is no tag.
func parseLayout(raw string, windows bool) parsedRef {
	if path, d, ok := strings.Cut(raw, "@"); ok {
		if _, err := ref.ValidateDigest(d); err == nil {
			return parsedRef{base: path, reference: d}
		}
	}
	colon := strings.LastIndexByte(raw, ':')
	if colon <= strings.LastIndexAny(raw, `/\`) || windows && colon == 1 {
		return parsedRef{base: raw}
	}
	tags := strings.Split(raw[colon+1:], ",")
	return parsedRef{base: raw[:colon], reference: tags[0], tags: tags}
}

// isDigest tells whether a reference is a digest. A name in a layout may have
// a colon too.
func isDigest(reference string) bool {
	_, err := ref.ValidateDigest(reference)
	return err == nil
}
