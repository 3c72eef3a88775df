package cli

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/orlop/orlop/internal/cli/output"
)

// stdoutName is the value of --output that stands for standard output.
const stdoutName = "-"

// errUnverified reports that what was written cannot be trusted.
var errUnverified = errors.New("the output is incomplete or damaged, do not use it")

// writeBlob writes the content of one file to w as it comes. It is verified on
// the way; what is wrong with it is known only when some of it has been written.
func writeBlob(ctx context.Context, w io.Writer, t *target, p *output.Progress, f file) error {
	r, err := t.OpenBlob(ctx, t.repo, f.desc.Digest, 0, -1)
	if err != nil {
		return t.aboutRef(t.digested(f.desc.Digest), err)
	}
	defer r.Close()
	task := p.Start("Downloading", f.desc)
	verifier := f.desc.Digest.Verifier()
	n, err := io.CopyBuffer(struct{ io.Writer }{io.MultiWriter(w, verifier)},
		&countingReader{BlobReader: r, task: task}, make([]byte, 256<<10))
	if err == nil && (n != f.desc.Size || !verifier.Verified()) {
		err = errors.New("it does not match its digest")
	}
	if err != nil {
		task.Fail()
		return fmt.Errorf("%s: %w; %w", output.Name(f.desc), err, errUnverified)
	}
	task.Done("Downloaded")
	return nil
}
