package cli

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/orlop/orlop/internal/cli/output"
	"github.com/orlop/orlop/layout"
)

// isTarName tells whether a path is that of a tar file.
func isTarName(path string) bool { return strings.HasSuffix(path, ".tar") }

// createWhole is create for a command that ends with commit and close: a layout
// whose path ends with .tar becomes a tar file, and the index.json of any
// layout is written once.
func (o *targetOptions) createWhole(env *Env, c *commonOptions, raw string) (*target, error) {
	p, err := o.parse(raw)
	if err != nil {
		return nil, err
	}
	if p.host == "" && isTarName(p.base) {
		switch info, err := os.Stat(p.base); {
		case err != nil:
			return createTar(p)
		case !info.IsDir():
			return nil, withHint(fmt.Errorf("%s exists, and nothing can be added to a tar file", p.base),
				"remove it, or choose another name")
		}
	}
	t, err := o.create(env, c, raw)
	if err != nil {
		return nil, err
	}
	if l := t.layout(); l != nil {
		l.Batch()
	}
	return t, nil
}

// createTar begins a tar file, which replaces one that is there when it is
// committed.
func createTar(p parsedRef) (*target, error) {
	if err := os.MkdirAll(filepath.Dir(p.base), 0o777); err != nil {
		return nil, err
	}
	reg, err := layout.CreateTar(p.base)
	if err != nil {
		return nil, err
	}
	return newTarget(kindLayout, reg, p), nil
}

// layout is what the target is in, nil if that is a registry.
func (t *target) layout() *layout.Registry {
	l, _ := t.Registry.(*layout.Registry)
	return l
}

// commit completes a target that createWhole has opened.
func (t *target) commit(ctx context.Context) error {
	if l := t.layout(); l != nil {
		return l.Commit(ctx)
	}
	return nil
}

// close ends the use of a layout. What was not committed of a directory stays,
// a tar file does not.
func (t *target) close() error {
	if l := t.layout(); l != nil {
		return l.Close()
	}
	return nil
}

// archiveSize is the size of a tar file as scripts know it: 10752 is "10.5 KB".
func archiveSize(n int64) string {
	s := strings.Replace(output.Size(n), "iB", "B", 1)
	return strings.Replace(s, ".0 ", " ", 1)
}
